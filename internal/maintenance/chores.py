"""Chores: periodic work that runs one after the other. Each one's failures and last success are metrics."""

from collections.abc import Awaitable, Callable, Sequence

import structlog
from msgspec import Struct

from internal.observability import metrics

log = structlog.get_logger(__name__)


class Chore(Struct, frozen=True):
    """A bounded piece of periodic work. `run` returns how many rows or objects it handled."""

    name: str
    run: Callable[[], Awaitable[int]]


async def run_batch(step: Callable[[], Awaitable[bool | None]], most: int) -> int:
    """Run `step` until it returns None (there is nothing left), or `most` times. Returns how often it was true."""
    count = 0
    for _ in range(most):
        done = await step()
        if done is None:
            break
        count += done
    return count


def register(chores: Sequence[Chore]) -> None:
    """Start the metrics of each chore now, so that one that never succeeds shows a growing age."""
    for chore in chores:
        metrics.CHORE_LAST_SUCCESS.labels(chore.name).set_to_current_time()
        metrics.CHORE_FAILURES.labels(chore.name)


async def run_round(chores: Sequence[Chore]) -> None:
    """Run each chore, even if one before it fails. Raises the first failure at the end; further ones are logged.

    INVARIANT: a chore that fails is visible in its failure count and the age of its last success, and stops no other
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
