"""Removed rows that are not yet vacuumed, because a snapshot stays open, cost a claim nothing.

Counted in index entries that PostgreSQL reads: each dead row has one at least, and is looked at in its table for each.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, LiteralString

import pytest
from msgspec import Struct
from psycopg.rows import DictRow
from psycopg.sql import SQL

from internal.domain.identity import ANONYMOUS
from internal.domain.ids import new_id
from internal.domain.keys import original_key
from internal.domain.message import Channel, Message
from internal.postgres.lower_bound import LowerBounds
from internal.postgres.pool import Parameters, Pool, PooledSession
from internal.repository.fair import TagFloors
from internal.repository.idempotency import PostgresIdempotencyKeys
from internal.repository.outbox import PostgresOutbox
from internal.repository.pending_objects import PostgresPendingObjects
from internal.repository.queue_messages import QueueMessages
from internal.repository.renditions import PostgresRenditions
from tests import pictures
from tests.integration.service import Service

DEAD = 80_000 if os.environ.get("FAULTS") == "long" else 8_000
FEW = 800
"""Entries that a claim may read. Of the queue's last messages some hundred are read again (LATE_MESSAGES)."""

HOUR_AGO = "now() - interval '1 h'"

ENTRIES = "SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid))::bigint AS read FROM pg_index"


class Looked(PooledSession):
    """Runs each statement; counts the index entries and pages that it reads, in a transaction before it that is rolled back."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self._at = pool
        self.read = self.pages = 0

    async def rows(self, statement: LiteralString, parameters: Parameters | None = None) -> list[DictRow]:
        await self._count(statement, parameters)
        return await super().rows(statement, parameters)

    async def _count(self, statement: LiteralString, parameters: Parameters | None) -> None:
        async with self._at.connection() as connection, connection.transaction(force_rollback=True):
            before = await (await connection.execute(ENTRIES)).fetchall()
            explain = SQL("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ") + SQL(statement)
            [row] = await (await connection.execute(explain, parameters)).fetchall()
            plan = row["QUERY PLAN"][0]["Plan"]
            self.pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
            after = await (await connection.execute(ENTRIES)).fetchall()
            self.read = after[0]["read"] - before[0]["read"]

    async def run(self, statement: LiteralString, parameters: Parameters | None = None) -> None:
        await self._count(statement, parameters)
        await super().run(statement, parameters)


class Scan(Struct, frozen=True):
    """`dead`: adds rows of an hour ago and removes them. `claim`: claims what is due. `add`: adds one that is due."""

    dead: tuple[str, ...]
    claim: Callable[[Looked, LowerBounds], Callable[[], Awaitable[Any]]]
    add: Callable[[Service], Awaitable[Any]]


def outbox(looked: Looked, bounds: LowerBounds) -> Callable[[], Awaitable[Any]]:
    table = PostgresOutbox(looked, frozenset(Channel), bounds)
    return lambda: table.claim(Channel.FAST, limit=100, lease_seconds=8)


def queue(looked: Looked, _: LowerBounds) -> Callable[[], Awaitable[Any]]:
    messages = QueueMessages(looked)
    return lambda: messages.claim(Channel.FAST, consumer_id=new_id(), limit=16, lease_seconds=10)


def abandoned(looked: Looked, bounds: LowerBounds) -> Callable[[], Awaitable[Any]]:
    table = PostgresRenditions(looked, frozenset(Channel), bounds, TagFloors())
    return lambda: table.stalled(limit=1)


def overdue(looked: Looked, bounds: LowerBounds) -> Callable[[], Awaitable[Any]]:
    table = PostgresRenditions(looked, frozenset(Channel), bounds, TagFloors())

    async def claim() -> list[Any]:
        return [lanes] if (lanes := await table.overdue_lanes(seconds=60)) else []

    return claim


def objects(looked: Looked, bounds: LowerBounds) -> Callable[[], Awaitable[Any]]:
    table = PostgresPendingObjects(looked, bounds)

    async def claim() -> list[Any]:
        return [key] if (key := await table.next_overdue(seconds=0.001)) else []

    return claim


def keys(looked: Looked, bounds: LowerBounds) -> Callable[[], Awaitable[Any]]:
    table = PostgresIdempotencyKeys(looked, bounds)

    async def claim() -> list[Any]:
        return list(range(await table.purge(older_seconds=0.001, limit=100)))

    return claim


async def add_abandoned(service: Service) -> None:
    await service.let_lease_run_out(await service.claim(await service.upload(pictures.jpeg(8, 8))))


async def add_overdue(service: Service) -> None:
    await service.upload(pictures.jpeg(8, 8))
    await service.session.run("UPDATE renditions SET due_at = now() - interval '62 s'")


async def add_key(service: Service) -> None:
    await service.repository.idempotency.begin(ANONYMOUS, "route", "key", lock_id=new_id(), lease_seconds=-1)


RENDITIONS = (
    "INSERT INTO images (id, owner, status, original_key, media_type, size, sha256)"
    " VALUES ('01a1fd39-ea92-74ec-9469-395a78bfd478', 'anonymous', 'processed', 'originals/dead', 'image/jpeg', 1, '0')",
    "INSERT INTO renditions (id, image_id, place, name, processing, pipeline, lane, status, due_at, lease_until)"
    f" SELECT gen_random_uuid(), '01a1fd39-ea92-74ec-9469-395a78bfd478', n, n, '', '', 'fast', %s, {HOUR_AGO}, {HOUR_AGO}"
    f"   FROM generate_series(1, {DEAD}) AS n",
    "DELETE FROM images WHERE original_key = 'originals/dead'",
)
SCANS = {
    "outbox": Scan(
        (
            "INSERT INTO outbox (channel, type, key, body, due_at)"
            f" SELECT 'fast', 't', 'k', '', {HOUR_AGO} + n * interval '1 ms' FROM generate_series(1, {DEAD}) AS n",
            "DELETE FROM outbox",
        ),
        outbox,
        lambda service: service.repository.outbox.add(Channel.FAST, Message("t", "k", b"")),
    ),
    "queue": Scan(
        (
            f"INSERT INTO queue_messages (channel, type, key, body) SELECT 'fast', 't', 'k', '' FROM generate_series(1, {DEAD})",
            f"UPDATE queue_messages SET lease_until = {HOUR_AGO} + id % 100000 * interval '1 ms'",
            "DELETE FROM queue_messages",
        ),
        queue,
        lambda service: QueueMessages(service.session).publish(Channel.FAST, Message("t", "k", b"")),
    ),
    "abandoned": Scan(tuple(text.replace("%s", "'processing'") for text in RENDITIONS), abandoned, add_abandoned),
    "overdue": Scan(tuple(text.replace("%s", "'uploaded'") for text in RENDITIONS), overdue, add_overdue),
    "objects": Scan(
        (
            f"INSERT INTO unreferenced_objects (key, deadline) SELECT n, {HOUR_AGO} FROM generate_series(1, {DEAD}) AS n",
            "DELETE FROM unreferenced_objects",
        ),
        objects,
        lambda service: service.repository.pending_objects.mark([original_key(new_id())], seconds=-1),
    ),
    "keys": Scan(
        (
            "INSERT INTO idempotency_keys (owner, route, key, holder, lease_until, created_at)"
            f" SELECT 'o', 'r', n, gen_random_uuid(), {HOUR_AGO}, {HOUR_AGO} FROM generate_series(1, {DEAD}) AS n",
            "DELETE FROM idempotency_keys",
        ),
        keys,
        add_key,
    ),
}


@pytest.fixture(autouse=True)
def every_look_is_whole() -> None:
    """No scan is a full one but the first, and those that a test asks for."""


@pytest.fixture
async def old_snapshot(service: Service, pool: Pool) -> AsyncIterator[None]:
    """A transaction like a dump's, open for hours. It ends before the service is cleaned up."""
    await service.session.run("SELECT 1")
    async with pool.connection() as connection, connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        await connection.execute("SELECT count(*) FROM images")
        yield


@pytest.mark.usefixtures("old_snapshot")
@pytest.mark.parametrize("name", SCANS)
async def test_a_claim_reads_no_dead_rows(name: str, service: Service, pool: Pool) -> None:
    """A claim walked over all of them each time: 12 ms behind 80,000, instead of 1."""
    scan, looked = SCANS[name], Looked(pool)
    claim = scan.claim(looked, LowerBounds())
    assert await claim() == []
    await scan.add(service)
    assert len(await claim()) == 1
    for statement in (*scan.dead, "ANALYZE"):  # the planner knows that there is next to nothing
        await service.session.run(statement)

    again = scan.claim(dead := Looked(pool), LowerBounds())  # one that has not looked yet walks over all of them, once
    await again()
    assert dead.read >= DEAD
    await claim()
    await scan.add(service)
    assert len(await claim()) >= 1
    assert looked.read < FEW
    await scan.add(service)
    assert len(await again()) >= 1
    assert dead.read < FEW


BY_NUMBER: dict[str, Callable[[QueueMessages, PostgresOutbox], Awaitable[Any]]] = {
    "acknowledge": lambda queue, _: queue.acknowledge(1, consumer_id=new_id()),
    "renew": lambda queue, _: queue.renew([1, 2], consumer_id=new_id(), lease_seconds=10),
    "release": lambda queue, _: queue.release(1, consumer_id=new_id()),
    "remove": lambda _, outbox: outbox.remove([1, 2]),
    "postpone": lambda _, outbox: outbox.postpone([1, 2], seconds=1),
}

MANY = 80_000
"""So many that the primary key's index is as high as the others."""


@pytest.mark.usefixtures("old_snapshot")
async def test_a_row_is_found_by_its_number_behind_dead_rows(service: Service, pool: Pool) -> None:
    """PostgreSQL 18.4 took an index that had `id` behind other columns, once it had found the table empty, and read all of it."""
    for statement in (*SCANS["queue"].dead, *SCANS["outbox"].dead, "ANALYZE"):
        await service.session.run(statement.replace(str(DEAD), str(MANY)))
    looked, pages = Looked(pool), {}

    for name, call in BY_NUMBER.items():
        await call(QueueMessages(looked), PostgresOutbox(looked, frozenset(Channel), LowerBounds()))
        pages[name] = looked.pages

    assert max(pages.values()) < 50, pages


async def test_a_late_row_is_found_by_the_next_full_scan(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row whose transaction was open for long."""
    table = PostgresOutbox(service.session, frozenset(Channel), LowerBounds())
    await table.claim(Channel.FAST, limit=10, lease_seconds=8)
    await table.add(Channel.FAST, Message("t", "late", b""))
    await service.session.run(f"UPDATE outbox SET due_at = {HOUR_AGO}")

    assert await table.claim(Channel.FAST, limit=10, lease_seconds=8) == []
    monkeypatch.setattr("internal.postgres.lower_bound.WHOLE_SECONDS", 0.0)
    table._bounds.of("outbox/fast")._whole_at = 0.0
    found = await table.claim(Channel.FAST, limit=10, lease_seconds=8)
    assert [row.message.key for row in found] == ["late"]


async def test_a_long_backlog_is_claimed_in_order_and_whole(service: Service) -> None:
    """The lower bound follows the claims, batch by batch."""
    await service.session.run(
        "INSERT INTO outbox (channel, type, key, body, due_at)"
        " SELECT 'fast', 't', n, '', now() - n * interval '1 s' FROM generate_series(1, 250) AS n"
    )
    table = PostgresOutbox(service.session, frozenset(Channel), LowerBounds())
    pieces = [[int(row.message.key) for row in await table.claim(Channel.FAST, limit=100, lease_seconds=60)] for _ in range(4)]

    assert [set(piece) for piece in pieces] == [set(range(151, 251)), set(range(51, 151)), set(range(1, 51)), set()]


async def test_a_released_message_is_claimed_next(service: Service) -> None:
    messages, consumer_id = QueueMessages(service.session), new_id()
    for number in range(4):
        await messages.publish(Channel.FAST, Message("t", str(number), b""))
    [first, _] = await messages.claim(Channel.FAST, consumer_id=consumer_id, limit=2, lease_seconds=60)
    await messages.release(first["id"], consumer_id=consumer_id)

    taken = await messages.claim(Channel.FAST, consumer_id=consumer_id, limit=2, lease_seconds=60)

    assert [row["key"] for row in taken] == ["0", "2"]
