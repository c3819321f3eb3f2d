"""A call is made again when the service says so, or when its answer got lost: a busy moment costs a wait, and no command."""

import sys
import time
from collections.abc import Callable
from typing import TypeVar

import stamina
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from internal.cli.errors import Refused, Unanswered

T = TypeVar("T")

UNAVAILABLE = 503
IN_PROGRESS = "idempotency_in_progress"
NOT_READY = "not_ready"


def until_taken(call: Callable[[], T], *, seconds: float, harmless: bool) -> T:
    """What `call` returns. Raises the last error.

    It is made again for so many seconds, after the answer's Retry-After, when it was refused with 503, or because the same one,
    whose answer got lost, is still under way. A `harmless` one, which may be done twice, also when no answer came.
    """
    if seconds <= 0:
        return call()
    set_on_retry_hooks([_tell])
    for attempt in stamina.retry_context(on=_after_loss if harmless else _after_refusal, attempts=None, timeout=seconds):
        with attempt:
            return call()
    raise AssertionError("stamina ends with a result or an error")


def until_ready(call: Callable[[float], T], *, seconds: float) -> T:
    """What `call` returns, which is told how many seconds are left. Raises the last error.

    It is made again while the picture is in work: the service lets one call wait for less than a person may. Should it not have
    let it wait at all, its Retry-After is kept to.
    """
    deadline = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        try:
            return call(deadline - began)
        except Refused as error:
            ended = time.monotonic()
            if error.code != NOT_READY or ended >= deadline:
                raise
            time.sleep(max(0.0, min(began + (error.retry_after or 1.0), deadline) - ended))


def _after_refusal(error: Exception) -> bool | float:
    if isinstance(error, Refused) and (error.status == UNAVAILABLE or error.code == IN_PROGRESS):
        return error.retry_after or True
    return False


def _after_loss(error: Exception) -> bool | float:
    return isinstance(error, Unanswered) or _after_refusal(error)


def _tell(details: RetryDetails) -> None:
    print(f"imagectl: {details.caused_by}; again in {details.wait_for:.1f} s", file=sys.stderr, flush=True)
