"""Health: which failure means what."""

import asyncio

from internal.domain.errors import QueueUnavailable, StoreUnavailable
from internal.observability.health import Condition, Dependency, examine


async def fine() -> None: ...


async def no_store() -> None:
    raise StoreUnavailable


async def no_queue() -> None:
    raise QueueUnavailable


async def silent() -> None:
    await asyncio.Event().wait()


async def test_all_is_well() -> None:
    report = await examine({"database": Dependency(fine, 3)})

    assert (report.status, report.dependencies) == (Condition.OK, {"database": "ok"})


async def test_an_essential_dependency_that_fails_is_named() -> None:
    report = await examine({"database": Dependency(fine, 3), "object_store": Dependency(no_store, 3)})

    assert report.status == Condition.UNAVAILABLE
    assert report.dependencies["database"] == "ok"
    assert "object store" in report.dependencies["object_store"]


async def test_a_queue_that_is_down_only_degrades() -> None:
    """G6: uploads are kept in the outbox meanwhile."""
    report = await examine({"database": Dependency(fine, 3), "queue": Dependency(no_queue, 3, essential=False)})

    assert report.status == Condition.DEGRADED


async def test_one_that_does_not_answer_fails_in_time() -> None:
    report = await examine({"database": Dependency(silent, 0.05)})

    assert (report.status, report.dependencies) == (Condition.UNAVAILABLE, {"database": "did not answer in 0.05 seconds"})
