"""A call is made again when the service says so, or when its answer got lost: a busy moment costs a wait, and no command."""

import sys
from collections.abc import Callable
from typing import TypeVar

import stamina
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from internal.cli.errors import Refused, Unanswered

T = TypeVar("T")

UNAVAILABLE = 503


def until_taken(call: Callable[[], T], *, seconds: float, harmless: bool) -> T:
    """What `call` returns. It is made again for so many seconds when it was refused with 503, after its Retry-After; a `harmless`
    one, which may be done twice, also when no answer came. Raises the last error."""
    if seconds <= 0:
        return call()
    set_on_retry_hooks([_tell])
    for attempt in stamina.retry_context(on=_after_loss if harmless else _after_refusal, attempts=None, timeout=seconds):
        with attempt:
            return call()
    raise AssertionError("stamina ends with a result or an error")


def _after_refusal(error: Exception) -> bool | float:
    if isinstance(error, Refused) and error.status == UNAVAILABLE:
        return error.retry_after or True
    return False


def _after_loss(error: Exception) -> bool | float:
    return isinstance(error, Unanswered) or _after_refusal(error)


def _tell(details: RetryDetails) -> None:
    print(f"imagectl: {details.caused_by}; again in {details.wait_for:.1f} s", file=sys.stderr, flush=True)
