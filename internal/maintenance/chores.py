"""Running chores: one after the other, each counted, and none standing still behind another."""

from collections.abc import Awaitable, Callable, Sequence

import structlog
from msgspec import Struct

from internal.observability import metrics

log = structlog.get_logger(__name__)


class Chore(Struct, frozen=True):
    """A bounded piece of periodic work. `run` returns how many rows or objects it dealt with."""

    name: str
    run: Callable[[], Awaitable[int]]


def announce(chores: Sequence[Chore]) -> None:
    """Count from now on: a chore that never succeeds has its age, and not no age at all."""
    for chore in chores:
        metrics.CHORE_LAST_SUCCESS.labels(chore.name).set_to_current_time()
        metrics.CHORE_FAILURES.labels(chore.name)


async def run_round(chores: Sequence[Chore]) -> None:
    """Run each chore, also when one before it fails. Raises the first failure at the end; of further ones the log tells.

    INVARIANT: a chore that fails is seen by its count and the age of its last success, and stops no other
    (tests/integration/test_chores.py::test_a_chore_that_raises_is_counted_and_stops_no_other).
    """
    failures: list[Exception] = []
    for chore in chores:
        try:
            await chore.run()
        except Exception as error:
            metrics.CHORE_FAILURES.labels(chore.name).inc()
            if failures:
                log.warning("housekeeping.failed_too", chore=chore.name, error=repr(error))
            failures.append(error)
        else:
            metrics.CHORE_LAST_SUCCESS.labels(chore.name).set_to_current_time()
    if failures:
        raise failures[0]
