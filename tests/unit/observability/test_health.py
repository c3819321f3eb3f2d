"""Health: which failure means what."""

import asyncio

from internal.domain.errors import QueueUnavailable, StoreUnavailable
from internal.observability.health import Condition, Dependency, Examiner, examine


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


class Counted:
    """A dependency that answers when it is let, and fails once it is `down`."""

    def __init__(self) -> None:
        self.begun = self.at_once = self.most_at_once = 0
        self.down = False
        self.has_begun, self.may_answer = asyncio.Event(), asyncio.Event()

    async def check(self) -> None:
        self.begun += 1
        self.has_begun.set()
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        down = self.down
        try:
            await self.may_answer.wait()
        finally:
            self.at_once -= 1
        if down:
            raise StoreUnavailable


async def test_a_flood_asks_the_dependencies_as_often_as_one_does() -> None:
    """Nobody needs a credential for it, and an examination writes into the store."""
    store = Counted()
    examiner = Examiner({"object_store": Dependency(store.check, 30)}, pause_seconds=0)
    first = asyncio.create_task(examiner.report())
    await store.has_begun.wait()
    flood = [asyncio.create_task(examiner.report()) for _ in range(100)]
    await asyncio.sleep(0)
    store.down = True
    store.may_answer.set()

    assert (await first).status == Condition.OK
    assert {report.status for report in await asyncio.gather(*flood)} == {Condition.UNAVAILABLE}, (
        "they asked after the first began"
    )
    assert (store.begun, store.most_at_once) == (2, 1)


async def test_who_hangs_up_leaves_the_examination_to_the_others() -> None:
    store = Counted()
    examiner = Examiner({"object_store": Dependency(store.check, 30)}, pause_seconds=0)
    gone, other = asyncio.create_task(examiner.report()), asyncio.create_task(examiner.report())
    await store.has_begun.wait()
    gone.cancel()
    store.may_answer.set()

    assert (await other).status == Condition.OK
    assert store.begun == 1


async def test_there_is_a_pause_between_two_examinations() -> None:
    store = Counted()
    store.may_answer.set()
    examiner = Examiner({"object_store": Dependency(store.check, 30)}, pause_seconds=3600)
    await examiner.report()
    waiting = asyncio.create_task(examiner.report())
    for _ in range(100):
        await asyncio.sleep(0)
    assert (store.begun, waiting.done()) == (1, False)
    waiting.cancel()
