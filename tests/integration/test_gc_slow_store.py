"""Gc with a store that is slow or refuses: one object blocks no other, and no lock ends before its delete (G4)."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable

import pytest
from msgspec.structs import replace

from internal.domain.errors import DatabaseUnavailable, StoreUnavailable
from internal.domain.ids import new_id
from internal.domain.keys import original_key
from internal.domain.message import Channel
from internal.maintenance import gc
from internal.objectstore.filesystem.folder import Folder
from internal.postgres.pool import open_connection_pool
from internal.postgres.settings import DatabaseSettings
from internal.repository.tables import PostgresRepository
from tests.integration.service import Service, cancelled_at_end
from tests.services.waiting import eventually

LOCK = "SELECT key FROM unreferenced_objects FOR UPDATE SKIP LOCKED"
"""The keys whose rows are not locked."""


class Deletes:
    """A store with the test's `delete`; gc calls nothing else."""

    def __init__(self, delete: Callable[[str], Awaitable[None]]) -> None:
        self.delete = delete


async def two_overdue(service: Service) -> tuple[str, str]:
    """Two overdue keys: the one that is deleted first, and the other."""
    stuck, next_one = original_key(new_id()), original_key(new_id())
    for key, age in ((stuck, 90), (next_one, 80)):
        await service.repository.pending_objects.mark([key], seconds=-age)
    return stuck, next_one


async def test_an_object_that_can_not_be_deleted_blocks_no_other(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its deadline does not move to the future: a late writer must still find that it has passed (G4)."""
    stuck, next_one = await two_overdue(service)
    delete = service.store.delete

    async def locked(key: str) -> None:
        if key == stuck:
            raise StoreUnavailable
        await delete(key)

    monkeypatch.setattr(service.store, "delete", locked)
    with pytest.raises(StoreUnavailable):
        await service.collect_garbage()
    passed = "SELECT key FROM unreferenced_objects WHERE deadline < now()"
    assert {row["key"] for row in await service.session.rows(passed)} == {stuck, next_one}

    assert await service.collect_garbage() == 1
    assert await service.listed() == {stuck}


async def test_a_delete_that_does_not_begin_in_time_blocks_no_other(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck, _ = await two_overdue(service)

    async def wait_for_a_thread(_: str) -> None:
        await asyncio.Event().wait()

    with monkeypatch.context() as impatient:
        impatient.setattr(gc, "DELETE_SECONDS", 0.01)
        with pytest.raises(StoreUnavailable, match=r"within 0\.01 seconds"):
            async with asyncio.timeout(30):
                await service.with_worker(store=Deletes(wait_for_a_thread)).collect_garbage()

    assert await service.collect_garbage() == 1
    assert await service.listed() == {stuck}


async def test_a_bug_with_one_object_blocks_no_other(service: Service) -> None:
    stuck, _ = await two_overdue(service)

    async def break_down(key: str) -> None:
        if key == stuck:
            raise ZeroDivisionError

    assert await service.with_worker(store=Deletes(break_down)).collect_garbage() == 1

    assert await service.listed() == {stuck}


@pytest.mark.parametrize(("failure", "told"), [(StoreUnavailable(), StoreUnavailable), (None, DatabaseUnavailable)])
async def test_an_object_whose_transaction_ends_meanwhile_blocks_no_other(
    service: Service, failure: Exception | None, told: type[Exception]
) -> None:
    """The database restarts while the store deletes. The store's error is reported first: it is why it took so long."""
    stuck, _ = await two_overdue(service)
    end = (
        "SELECT pg_terminate_backend(pid, 4000) AS ended FROM pg_stat_activity"
        " WHERE datname = current_database() AND state = 'idle in transaction'"
    )

    async def outlive_its_transaction(_: str) -> None:
        assert [row["ended"] for row in await service.session.rows(end)] == [True]
        if failure:
            raise failure

    with pytest.raises(told):
        await service.with_worker(store=Deletes(outlive_its_transaction)).collect_garbage()

    assert await service.collect_garbage() == 1
    assert await service.listed() == {stuck}


async def test_the_lock_outlasts_the_limit_of_other_transactions(service: Service, database_settings: DatabaseSettings) -> None:
    await two_overdue(service)
    impatient = replace(database_settings, timeout_seconds=0.25)  # so that a transaction may idle for a second
    free: list[list[str]] = []

    async def take_two_seconds(_: str) -> None:
        began = (await service.session.rows("SELECT clock_timestamp() AS time"))[0]["time"]

        async def over() -> bool:
            return bool(await service.session.rows("SELECT 1 WHERE clock_timestamp() > %(t)s + interval '2 s'", {"t": began}))

        await eventually(over)
        free.append([row["key"] for row in await service.session.rows(LOCK)])

    async with open_connection_pool(impatient) as pool:
        repository = PostgresRepository(pool, frozenset(Channel))
        slow = service.with_worker(repository=repository, store=Deletes(take_two_seconds))

        async def deleted() -> bool:
            with contextlib.suppress(DatabaseUnavailable):  # the short timeout may be too short for a connection
                await slow.collect_garbage()
            return bool(free)

        await eventually(deleted)

    assert len(free[0]) == 1


async def test_the_lock_lasts_until_the_last_thread_has_ended(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also past DELETE_SECONDS: a thread that can't be stopped may still delete."""
    stuck, next_one = await two_overdue(service)
    begun, go_on = threading.Event(), threading.Event()
    remove = Folder.remove

    def remove_slowly(folder: Folder, key: str) -> None:
        begun.set()
        go_on.wait(60)
        remove(folder, key)

    with monkeypatch.context() as slow:
        slow.setattr(gc, "DELETE_SECONDS", 2.0)  # in which its thread begins
        slow.setattr(Folder, "remove", remove_slowly)
        collecting = asyncio.create_task(service.collect_garbage())
        async with cancelled_at_end(collecting):
            try:
                await eventually(begun.is_set)
                await asyncio.wait({collecting}, timeout=3.0)  # longer than DELETE_SECONDS
                assert not collecting.done()
                assert [row["key"] for row in await service.session.rows(LOCK)] == [next_one]
            finally:
                go_on.set()
            with pytest.raises(StoreUnavailable):
                await collecting

    assert await service.listed() == {stuck, next_one}
