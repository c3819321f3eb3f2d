"""Folding the changes of usage, and counting all of it anew."""

import asyncio
import contextlib
import random
from uuid import uuid4

import pytest

from internal.domain.errors import NotFound
from internal.domain.identity import ANONYMOUS
from internal.domain.owner import Usage
from internal.maintenance import usage as maintenance
from internal.maintenance.usage import Recount, RecountDisturbed, UsageFolding
from tests.integration.service import Service, cancelled_at_end
from tests.integration.usage import actual_usage, counted_usage, fold_all
from tests.pictures import jpeg

PICTURE = jpeg(16, 12)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "IMAGES", 3)


@pytest.fixture(autouse=True)
async def nothing_is_held(service: Service) -> None:
    await service.session.run("UPDATE usage_state SET recount_until = '-infinity', counted_at = now()")


async def recount(service: Service, *, fix: bool = False) -> dict[str, Usage]:
    run = Recount(service.repository)
    while await run.count_page():
        pass
    return await run.finish(fix=fix)


async def test_folding_changes_no_sum_and_leaves_no_change(service: Service) -> None:
    for _ in range(4):
        await service.process(await service.upload(PICTURE))
    before = await counted_usage(service)
    changes = await service.count("usage_changes")

    folded = 0
    async with asyncio.timeout(60):
        while folded < changes:
            folded += await service.repository.usage.fold(limit=5)

    assert folded == changes
    assert await service.count("usage_changes") == 0
    assert await counted_usage(service) == before == await actual_usage(service)


async def test_a_change_that_is_committed_after_a_later_one_was_folded_is_counted(service: Service) -> None:
    """The order of commits is not that of the transactions' numbers."""
    async with service.repository.transaction() as work:
        late = await service.upload(PICTURE)
        await service.repository.usage.fold(limit=1000)
        await work.images.hold(late)
        await work.images.remove(late)
        assert await service.repository.usage.fold(limit=1000) == 0  # the transaction under way holds back what is behind it
        await service.upload(PICTURE)
        await service.repository.usage.fold(limit=1000)
        assert await counted_usage(service) == Usage(2, 2 * len(PICTURE), 2)
    assert await counted_usage(service) == await actual_usage(service) == Usage(1, len(PICTURE), 1)

    await fold_all(service)

    assert await counted_usage(service) == await actual_usage(service)


async def test_many_changes_of_one_transaction_are_folded_at_once(service: Service) -> None:
    for _ in range(4):
        await service.upload(PICTURE)
    await fold_all(service)
    await service.session.run("DELETE FROM images")

    async with asyncio.timeout(60):
        while not (folded := await service.repository.usage.fold(limit=2)):
            pass
    assert folded == 4

    assert await counted_usage(service) == Usage()


async def test_changes_of_a_restored_dump_are_folded_and_new_ones_counted(service: Service) -> None:
    """Their transactions have the numbers of another cluster, which may be far ahead."""
    await service.upload(PICTURE)
    await service.session.run("UPDATE usage_changes SET transaction_id = '9000000000000000000'")
    await service.session.run("UPDATE usage_state SET folded_below = '9000000000000000000'")
    await service.upload(PICTURE)

    assert await counted_usage(service) == Usage(2, 2 * len(PICTURE), 2)
    await service.repository.usage.fold(limit=1000)
    await service.upload(PICTURE)

    assert await counted_usage(service) == Usage(3, 3 * len(PICTURE), 3)


async def test_a_recount_finds_drift_and_corrects_it(service: Service) -> None:
    for _ in range(7):
        await service.upload(PICTURE)
    await fold_all(service)
    assert await recount(service) == {}
    await service.session.run("UPDATE owner_usage SET images = images + 5, bytes = 0")
    await service.session.run("INSERT INTO owner_usage VALUES ('nobody', 0, -1, 2)")
    drift = {ANONYMOUS: Usage(-5, 7 * len(PICTURE), 0), "nobody": Usage(0, 1, -2)}

    assert await recount(service) == drift
    assert (await counted_usage(service)).images == 12  # nothing was changed
    assert await recount(service, fix=True) == drift

    assert await recount(service) == {}
    assert await counted_usage(service) == await actual_usage(service)
    assert await counted_usage(service, "nobody") == Usage()


async def test_a_recount_beside_traffic_finds_nothing(service: Service) -> None:
    chance = random.Random(5)
    for _ in range(12):
        await service.upload(PICTURE)

    async def traffic() -> None:
        while True:
            image_id = await service.upload(PICTURE)
            with contextlib.suppress(NotFound):  # the other one has deleted it
                if chance.random() < 0.5:
                    await service.process(image_id)
                images = await service.page()
                if len(images) > 15:
                    await service.delete(chance.choice(images).id)
            await service.repository.usage.fold(limit=chance.choice([1, 100]))

    async def all_traffic() -> None:
        await asyncio.gather(traffic(), traffic())

    running: asyncio.Task[object] = asyncio.create_task(all_traffic())
    async with cancelled_at_end(running):
        for _ in range(8):
            run = Recount(service.repository)
            while await run.count_page():
                pass
            assert await run.finish(fix=True) == {}
        assert not running.done()
    assert await counted_usage(service) == await actual_usage(service)


async def test_a_recount_that_stood_still_while_others_folded_changes_nothing(service: Service) -> None:
    await service.upload(PICTURE)
    run = Recount(service.repository)
    await run.count_page()
    await service.session.run("UPDATE usage_state SET recount_until = now() - interval '1 s'")  # its time has passed
    await fold_all(service)

    with pytest.raises(RecountDisturbed):
        await run.finish(fix=True)

    assert await counted_usage(service) == await actual_usage(service)


async def test_one_recount_runs_at_a_time_and_nothing_is_folded_meanwhile(service: Service) -> None:
    await service.upload(PICTURE)
    first = Recount(service.repository)
    await first.count_page()

    with pytest.raises(RecountDisturbed):
        await Recount(service.repository).count_page()
    assert await service.repository.usage.fold(limit=1000) == 0
    await first.cancel()

    await fold_all(service)


async def test_the_chore_counts_what_was_there_before_and_then_folds(service: Service) -> None:
    for _ in range(5):
        await service.upload(PICTURE)
    await service.session.run("DELETE FROM usage_changes")  # as when the rows are older than the triggers
    await service.session.run("UPDATE usage_state SET counted_at = NULL")
    deleted = (await service.page())[0].id
    await service.delete(deleted)
    assert (await counted_usage(service)).images == -1
    chore = UsageFolding(service.repository)

    await chore.run()

    assert await counted_usage(service) == await actual_usage(service) == Usage(4, 4 * len(PICTURE), 4)
    assert await service.repository.usage.is_counted()


async def test_two_workers_count_once(service: Service) -> None:
    for _ in range(8):
        await service.upload(PICTURE)
    await service.session.run("DELETE FROM usage_changes")
    await service.session.run("UPDATE usage_state SET counted_at = NULL")
    chores = [UsageFolding(service.repository) for _ in range(3)]

    for _ in range(2):
        await asyncio.gather(*(chore.run() for chore in chores))

    assert await counted_usage(service) == await actual_usage(service)


async def test_owners_are_listed_by_name_with_what_they_have(service: Service) -> None:
    await service.upload(PICTURE)
    await fold_all(service)
    names = sorted(f"owner-{uuid4()}" for _ in range(4))
    async with service.repository.transaction() as work:
        for name in names:
            await work.owners.lock(name)

    listed = await service.repository.usage.page(after=None, limit=3)
    rest = await service.repository.usage.page(after=listed[-1].owner.owner, limit=3)

    assert [found.owner.owner for found in (*listed, *rest)] == [ANONYMOUS, *names]
    assert listed[0].used == Usage(1, len(PICTURE), 1)
    assert listed[1].used == Usage()
