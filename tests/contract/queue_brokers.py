"""Brokers of the two queue adapters, with an empty place for each test and a gate in front."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol
from uuid import uuid4

import psycopg
from aiokafka.admin import AIOKafkaAdminClient
from msgspec.structs import replace

from internal.ports.queue import Queue
from internal.postgres.listener import open_listener
from internal.postgres.migrations import migrate
from internal.postgres.pool import connection_string, open_connection_pool
from internal.queue.kafka.queue import create_topics, open_kafka_queue
from internal.queue.kafka.settings import KafkaSettings
from internal.queue.kafka.topics import has_controller
from internal.queue.postgres.queue import open_postgres_queue
from internal.repository.queue_messages import NOTIFICATIONS
from internal.runtime.secret import Secret
from internal.settings.loader import load_settings
from tests.services.reachable import free_port

SETTINGS = load_settings({})
PATIENT_SECONDS = 20.0
"""How long a publish may take: a busy machine is no reason to fail."""
SESSION_SECONDS = 12.0
"""For a member's sign of life: so long a process may stand still."""
ANSWER_SECONDS = 1.0
"""How long it may take where nobody answers."""

Address = tuple[str, int]


class Broker(Protocol):
    """A server for a queue."""

    address: Address
    shares: bool  # whether two consumers can be in one group: known inside `empty`
    notices_seconds: float  # how long it takes at most, after `hold_seconds`, until what was given up is given to another

    def empty(self) -> AbstractAsyncContextManager[None]:
        """Create an empty place in the server while the block runs."""

    def open(self, address: Address | None = None, *, hold_seconds: float = 60.0) -> AbstractAsyncContextManager[Queue]:
        """The queue in that place; reached at `address`, when it is given. After `hold_seconds` without a sign of life, a message
        or a consumer is given up: the lease's time, or the poll interval.
        """


class KafkaBroker:
    def __init__(self, brokers: str) -> None:
        host, _, port = brokers.partition(",")[0].rpartition(":")
        self.address = host, int(port)
        self.shares = False
        # The consumer's own heartbeat looks, then the other's learns of it; there are three in a session.
        self.notices_seconds = 2 / 3 * SESSION_SECONDS + 1
        name = f"test-{uuid4().hex}"
        self.settings: KafkaSettings = replace(
            SETTINGS.kafka, brokers=brokers, topic=name, slow_topic=f"{name}-slow", events_topic="", dlq_topic="", group_id=name,
            partitions=4, replication=1, publish_seconds=PATIENT_SECONDS, session_seconds=SESSION_SECONDS,
        )  # fmt: skip

    @asynccontextmanager
    async def empty(self) -> AsyncIterator[None]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.settings.brokers)
        await admin.start()
        self.shares = real = await has_controller(admin)
        if real:
            await create_topics(self.settings)
        yield
        if real:
            await admin.delete_topics([self.settings.topic, self.settings.slow_topic])
        await admin.close()

    def open(self, address: Address | None = None, *, hold_seconds: float = 60.0) -> AbstractAsyncContextManager[Queue]:
        host, port = address or self.address
        seconds = ANSWER_SECONDS if address else PATIENT_SECONDS
        return open_kafka_queue(
            replace(self.settings, brokers=f"{host}:{port}", publish_seconds=seconds, poll_seconds=hold_seconds),
            look_seconds=SETTINGS.health.seconds,
        )


class PostgresBroker:
    def __init__(self, database: Any) -> None:
        self.address = database.host, database.port
        self.shares = True
        self.notices_seconds = 2.0
        self.settings = replace(
            SETTINGS.database, user=database.user, password=Secret(database.password), name=database.database,
            pool_size=4, timeout_seconds=PATIENT_SECONDS,
        )  # fmt: skip

    @asynccontextmanager
    async def empty(self) -> AsyncIterator[None]:
        host, port = self.address
        settings = replace(self.settings, host=host, port=port)
        migrate(settings)
        async with await psycopg.AsyncConnection.connect(connection_string(settings), autocommit=True) as connection:
            await connection.execute("TRUNCATE queue_messages")
            yield

    @asynccontextmanager
    async def open(self, address: Address | None = None, *, hold_seconds: float = 60.0) -> AsyncIterator[Queue]:
        host, port = address or self.address
        seconds = ANSWER_SECONDS if address else PATIENT_SECONDS
        database = replace(self.settings, host=host, port=port, timeout_seconds=seconds)
        settings = replace(SETTINGS.queue, visibility_seconds=hold_seconds)
        async with (
            open_connection_pool(database) as pool,
            open_listener(connection_string(database), (NOTIFICATIONS,)) as listener,
            open_postgres_queue(pool, listener, settings) as queue,
        ):
            yield queue


@asynccontextmanager
async def gate(address: Address) -> AsyncIterator[tuple[Address, Callable[[], Awaitable[None]]]]:
    """A port that refuses connections until it is opened, and then forwards them to `address`."""
    flows: set[asyncio.Task[None]] = set()

    async def flow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError), contextlib.closing(writer):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = address
        unix = host.startswith("/")  # the folder of PostgreSQL's socket
        there = await (asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}") if unix else asyncio.open_connection(host, port))
        flows.update(asyncio.ensure_future(flow(*pair)) for pair in ((reader, there[1]), (there[0], writer)))

    port = free_port()
    opened: list[asyncio.Server] = []

    async def open_gate() -> None:
        opened.append(await asyncio.start_server(lead, "127.0.0.1", port))

    try:
        yield ("127.0.0.1", port), open_gate
    finally:
        for server in opened:
            server.close()
        await asyncio.gather(*flows)
