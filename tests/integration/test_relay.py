"""The relay: no message is removed before the queue has it, and none blocks the others (G1, G6)."""

import asyncio

import pytest

from internal.domain.dead_letter import DeadLetter
from internal.domain.errors import QueueUnavailable
from internal.domain.message import Channel, Message
from internal.events.relay import BATCH, Relay
from internal.postgres.listener import Listener
from internal.repository.dead_letters import EXPORTED_BYTES
from tests import pictures
from tests.integration.service import Service, cancelled_at_end
from tests.services.waiting import eventually


class Collecting:
    """A queue that keeps messages and refuses some. While it is not `open`, its `closed` channels do not answer."""

    exports = frozenset(Channel)

    def __init__(self) -> None:
        self.taken: list[tuple[Channel, Message]] = []
        self.refused: set[str] = set()
        self.too_large: int | None = None
        self.down = False
        self.open = asyncio.Event()
        self.open.set()
        self.closed = frozenset(Channel)
        self.waiting = 0

    async def publish(self, channel: Channel, message: Message) -> None:
        if channel in self.closed and not self.open.is_set():
            self.waiting += 1
            await self.open.wait()
        if self.too_large is not None and len(message.body) > self.too_large:
            raise ValueError(f"too large: {len(message.body)} bytes")
        if self.down or message.key in self.refused:
            raise QueueUnavailable
        self.taken.append((channel, message))


def relay_of(service: Service, queue: Collecting, listener: Listener) -> Relay:
    return Relay(service.repository, queue, listener, lease_seconds=30)  # type: ignore[arg-type]


async def drained(relay: Relay) -> None:
    """Drain one channel after the other, the dead letters last."""
    for channel in Channel:
        await relay.drain(channel)


async def test_a_commit_wakes_the_relay(service: Service, listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("internal.events.relay.POLL_SECONDS", 3600)
    queue = Collecting()
    async with cancelled_at_end(asyncio.create_task(relay_of(service, queue, listener).run())):
        image_ids = []
        for _ in range(2):  # the relay's first look may find the first, but not the second
            image_ids.append(await service.upload(pictures.jpeg()))
            await eventually(lambda: _empty(service))

    messages = [message for channel, message in queue.taken if channel == Channel.FAST]
    assert [(message.type, message.key) for message in messages] == [("image.process", str(id_)) for id_ in image_ids]


async def _empty(service: Service) -> bool:
    return await service.count("outbox") == 0


async def test_a_cancelled_relay_finishes_its_batch_first(service: Service, listener: Listener) -> None:
    """An API that ends during a publish: else the message would wait until the lease runs out."""
    queue = Collecting()
    queue.open.clear()
    await service.upload(pictures.jpeg())
    draining = asyncio.create_task(relay_of(service, queue, listener).drain(Channel.FAST))
    await eventually(lambda: _held(service))
    draining.cancel()
    await asyncio.sleep(0)
    queue.open.set()

    await asyncio.wait({draining})

    assert draining.cancelled()
    assert [channel for channel, _ in queue.taken] == [Channel.FAST]
    assert await service.count("outbox WHERE channel = 'fast'") == 0


async def _held(service: Service) -> bool:
    """No message is due: a relay has claimed them."""
    return await service.count("outbox WHERE channel = 'fast' AND due_at <= now()") == 0


async def test_a_queue_that_is_down_loses_nothing(service: Service, listener: Listener) -> None:
    queue = Collecting()
    queue.down = True
    await service.upload(pictures.jpeg())
    relay = relay_of(service, queue, listener)

    await drained(relay)
    assert await service.count("outbox") == 2
    queue.down = False
    await service.session.run("UPDATE outbox SET due_at = now()")
    await drained(relay)

    assert len(queue.taken) == 2
    assert await service.count("outbox") == 0


async def test_a_message_that_can_not_be_published_blocks_no_other(service: Service, listener: Listener) -> None:
    queue = Collecting()
    stuck = await service.upload(pictures.jpeg())
    queue.refused = {str(stuck)}
    for _ in range(3):
        await service.upload(pictures.jpeg())

    await drained(relay_of(service, queue, listener))

    assert len(queue.taken) == 6
    assert await service.count("outbox") == 2


async def test_a_channel_that_is_down_blocks_no_other(service: Service, listener: Listener) -> None:
    """Its topic may be missing, and each try takes long: more messages wait than a batch holds. A task must pass them."""
    queue = Collecting()
    queue.closed = frozenset({Channel.EVENTS})
    queue.open.clear()
    await service.session.run(
        "INSERT INTO outbox (channel, type, key, body) SELECT 'events', 'x', 'y', '' FROM generate_series(1, %(more)s)",
        {"more": 2 * BATCH},
    )
    async with cancelled_at_end(asyncio.create_task(relay_of(service, queue, listener).run())):
        await eventually(lambda: queue.waiting == BATCH)
        await service.upload(pictures.jpeg())

        await eventually(lambda: any(channel == Channel.FAST for channel, _ in queue.taken))
        queue.open.set()
        await eventually(lambda: _empty(service))


async def test_a_message_that_the_queue_never_accepts_becomes_a_dead_letter(service: Service, listener: Listener) -> None:
    queue = Collecting()
    queue.too_large = EXPORTED_BYTES
    large = Message("image.process", "k", bytes(EXPORTED_BYTES + 1), {"a": "b"})
    await service.repository.outbox.add(Channel.FAST, large)
    await service.upload(pictures.jpeg())

    await drained(relay_of(service, queue, listener))

    assert await service.count("outbox") == 0
    [kept] = await service.repository.dead_letters.page(before=None, code=None, limit=10)
    letter = kept.dead_letter
    assert (letter.code, letter.attempts, letter.source.partition("/")[0]) == ("unpublishable_message", 1, "outbox")
    assert (letter.channel, Message(letter.type, letter.key, letter.body, letter.headers)) == (Channel.FAST, large)
    [told] = [message for channel, message in queue.taken if channel == Channel.DEAD_LETTERS]
    assert (told.body, told.headers["dead-letter-size"]) == (large.body[:EXPORTED_BYTES], str(len(large.body)))
    assert len(queue.taken) == 3


async def test_a_dead_letter_whose_export_the_queue_never_accepts_stays_in_its_table(
    service: Service, listener: Listener
) -> None:
    queue = Collecting()
    queue.too_large = 1
    await service.repository.dead_letters.add(DeadLetter("code", "detail", "source", 1, body=b"abc"))

    await drained(relay_of(service, queue, listener))

    assert queue.taken == []
    assert (await service.count("outbox"), await service.count("dead_letters")) == (0, 1)


async def test_the_messages_of_a_dead_relay_are_due_again(service: Service, listener: Listener) -> None:
    queue = Collecting()
    await service.upload(pictures.jpeg())
    for channel in (Channel.FAST, Channel.EVENTS):
        assert len(await service.repository.outbox.claim(channel, limit=10, lease_seconds=60)) == 1
    await drained(relay_of(service, queue, listener))
    assert queue.taken == []  # another relay holds them
    assert await service.count("outbox WHERE due_at <= now() + interval '60 s'") == 2  # but not for ever

    await service.session.run("UPDATE outbox SET due_at = now()")
    await drained(relay_of(service, queue, listener))

    assert len(queue.taken) == 2


async def test_two_relays_publish_each_message_once(service: Service, listener: Listener) -> None:
    queue = Collecting()
    for _ in range(10):
        await service.upload(pictures.jpeg())

    await asyncio.gather(*(drained(relay_of(service, queue, listener)) for _ in range(3)))

    assert len(queue.taken) == 20


async def test_a_relay_survives_a_database_that_is_not_ready(service: Service, listener: Listener) -> None:
    """Started before the tables exist, or while the database is read-only: it must not end, since nothing would restart it."""
    queue = Collecting()
    await service.session.run("ALTER TABLE outbox RENAME TO outbox_away")
    async with cancelled_at_end(asyncio.create_task(relay_of(service, queue, listener).run())):
        await asyncio.sleep(0.1)  # it fails meanwhile; did it not begin yet, the test would only be easier
        await service.session.run("ALTER TABLE outbox_away RENAME TO outbox")
        await service.upload(pictures.jpeg())

        await eventually(lambda: len(queue.taken) == 2)


async def test_a_message_that_can_not_become_a_dead_letter_blocks_no_other(
    service: Service, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the whole batch was published again each time that its lease ran out, for ever."""
    queue = Collecting()
    queue.too_large = 1000
    bad = Message("t", "too large", b"x" * 2000)
    for message in (Message("t", "before", b""), bad, Message("t", "after", b"")):
        await service.repository.outbox.add(Channel.FAST, message)

    async def refuse(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("internal.repository.dead_letters.PostgresDeadLetters.add", refuse)
    await relay_of(service, queue, listener).drain(Channel.FAST)

    assert sorted(message.key for _, message in queue.taken) == ["after", "before"]
    assert [row["key"] for row in await service.session.rows("SELECT key FROM outbox")] == ["too large"]
