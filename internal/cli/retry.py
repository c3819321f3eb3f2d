"""Retries of calls to the service: a busy service costs a wait, and does not fail the command."""

import sys
import time
from collections.abc import Callable
from typing import TypeVar

import stamina
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from internal.cli.errors import ServiceProblem, Unanswered

T = TypeVar("T")

BUSY = (429, 503)
IN_PROGRESS = "idempotency_in_progress"
NOT_READY = "not_ready"


def retry_until_accepted(call: Callable[[], T], *, seconds: float, idempotent: bool) -> T:
    """Return the result of `call`, with retries for `seconds`. Raises the last error.

    Calls are retried after the response's Retry-After if the status is 503 or 429, or if the same request is still in progress
    because an earlier response was lost. An `idempotent` call is also retried if there was no response.
    """
    if seconds <= 0:
        return call()
    set_on_retry_hooks([_print_outcome])
    for attempt in stamina.retry_context(on=_after_loss if idempotent else _after_refusal, attempts=None, timeout=seconds):
        with attempt:
            return call()
    raise AssertionError("stamina ends with a result or an error")


def retry_until_ready(call: Callable[[float], T], *, seconds: float) -> T:
    """Return the result of `call`, which gets the remaining seconds. Raises the last error.

    It is retried while the picture is being processed, because the service limits the wait of one request. If the service did not
    wait at all, its Retry-After is respected.
    """
    deadline = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        try:
            return call(deadline - began)
        except ServiceProblem as error:
            ended = time.monotonic()
            if error.code != NOT_READY or ended >= deadline:
                raise
            time.sleep(max(0.0, min(began + (error.retry_after or 1.0), deadline) - ended))


def _after_refusal(error: Exception) -> bool | float:
    if isinstance(error, ServiceProblem) and (error.status in BUSY or error.code == IN_PROGRESS):
        return error.retry_after or True
    return False


def _after_loss(error: Exception) -> bool | float:
    return isinstance(error, Unanswered) or _after_refusal(error)


def _print_outcome(details: RetryDetails) -> None:
    print(f"imagectl: retrying in {details.wait_for:.1f} s: {details.caused_by}", file=sys.stderr, flush=True)
