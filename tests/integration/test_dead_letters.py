"""Dead letters taken up again: replay is retry, and once (G3)."""

import asyncio
from uuid import UUID

import msgspec
import pytest

from internal.domain.dead_letter import DeadLetter
from internal.domain.message import NO_REQUEST, Channel, Message
from internal.domain.rendition import Lane
from internal.domain.status import Status
from internal.domain.tasks import task_message
from internal.library.renditions import retry_failed
from internal.maintenance.dead_letters import BATCH, Replay, list_dead_letters, replay
from internal.maintenance.requeue import requeue_stalled
from internal.ports.queue import Delivery
from internal.postgres.settings import DatabaseSettings
from internal.settings.loader import load_settings
from internal.wiring.operator import open_repository
from internal.worker.dispatch import dispatch
from tests import pictures
from tests.integration.service import Service
from tests.services.waiting import eventually

ODD = Message("image.process", "some key", b"not json \xff", {"x-request-id": "first-time", "more": "kept"})


async def fail(service: Service, image_id: UUID) -> None:
    """Let the image's waiting renditions use up their tries, one after the other."""
    while any(rendition.status != Status.FAILED for rendition in (await service.image(image_id)).renditions):
        await service.let_lease_run_out(await service.claim(image_id))
        await requeue_stalled(service.worker.transitions)


async def dead_letter_ids(service: Service) -> list[int]:
    return [entry.id async for entry in list_dead_letters(service.repository, code=None)]


async def sent(service: Service) -> list[tuple[str, Message]]:
    """What waits to be published to the lanes."""
    rows = await service.session.rows("SELECT * FROM outbox WHERE channel IN ('fast', 'slow') ORDER BY id")
    return [(row["channel"], Message(row["type"], row["key"], bytes(row["body"]), row["headers"])) for row in rows]


async def test_a_replay_tries_the_rendition_again(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())
    await fail(service, image_id)
    before = await service.rendition(image_id)
    [dead_letter_id] = await dead_letter_ids(service)
    await service.session.run("DELETE FROM outbox")

    assert await replay(service.repository, dead_letter_id, "imagectl:test") == Replay.QUEUED

    after = await service.rendition(image_id)
    assert (after.status, after.attempts, after.generation, after.failure) == (Status.UPLOADED, 0, before.generation, None)
    assert (await service.image(image_id)).status == Status.PROCESSING
    assert await sent(service) == [("fast", task_message(image_id, Lane.FAST, NO_REQUEST))]
    assert await dead_letter_ids(service) == []
    assert await replay(service.repository, dead_letter_id, "imagectl:test") == Replay.NOT_FOUND
    [entry] = await service.repository.audit.page(limit=9)
    assert (entry.actor, entry.action, entry.target) == ("imagectl:test", "dead_letter.replayed", str(dead_letter_id))
    assert entry.details["image_id"] == str(image_id)
    assert (await service.process(image_id)).status == Status.PROCESSED


async def test_a_replay_is_of_one_rendition_and_takes_all_its_dead_letters(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg(), None, renditions={"one": "resize:8x8", "two": "resize:9x9"})
    await fail(service, image_id)
    async with service.repository.transaction() as work:
        await retry_failed(work, service.policy, "anonymous", image_id, NO_REQUEST)
    await fail(service, image_id)  # each has two dead letters now
    of_one = [
        entry.id
        async for entry in list_dead_letters(service.repository, code="lease_lost")
        if entry.dead_letter.rendition == "one"
    ]

    assert await replay(service.repository, of_one[0], "imagectl:test") == Replay.QUEUED

    statuses = {rendition.name: rendition.status for rendition in (await service.image(image_id)).renditions}
    assert statuses == {"one": Status.UPLOADED, "two": Status.FAILED}
    left = await dead_letter_ids(service)
    assert len(left) == 2
    assert not set(left) & set(of_one)


async def test_a_refused_replay_has_a_reason_and_removes_nothing(service: Service) -> None:
    gone, retried = await service.upload(pictures.jpeg()), await service.upload(pictures.jpeg())
    await fail(service, gone)
    await fail(service, retried)
    await service.delete(gone)
    async with service.repository.transaction() as work:
        await retry_failed(work, service.policy, "anonymous", retried, NO_REQUEST)
    await service.repository.dead_letters.add(DeadLetter("unprocessable_message", "from long ago", "topic/0/1", 1))
    entries = [entry async for entry in list_dead_letters(service.repository, code=None)]
    before = await sent(service)

    outcomes = [await replay(service.repository, entry.id, "imagectl:test") for entry in entries]

    assert outcomes == [Replay.NO_CHANNEL, Replay.NOT_FAILED, Replay.IMAGE_GONE]
    assert [entry.rendition_status for entry in entries] == [None, Status.UPLOADED, None]
    assert await dead_letter_ids(service) == [entry.id for entry in entries]
    assert await sent(service) == before


async def test_an_unreadable_message_is_not_sent_again(service: Service) -> None:
    """Its body is a record as it lies in the topic: as a message it would only come back as another dead letter."""
    unreadable = Delivery(Message("", "", b"raw"), Channel.FAST, "topic/3/14", None, unreadable="checksum")
    await dispatch(unreadable, service.handlers(), service.repository.dead_letters)
    before = await sent(service)
    [dead_letter_id] = await dead_letter_ids(service)

    assert await replay(service.repository, dead_letter_id, "imagectl:test") == Replay.UNREADABLE

    assert await sent(service) == before
    assert await dead_letter_ids(service) == [dead_letter_id]


async def test_a_replayed_message_goes_to_its_channel_unchanged(service: Service) -> None:
    await dispatch(Delivery(ODD, Channel.SLOW, "topic/3/14", None), service.handlers(), service.repository.dead_letters)
    [dead_letter_id] = await dead_letter_ids(service)

    assert await replay(service.repository, dead_letter_id, "imagectl:test") == Replay.QUEUED

    assert await sent(service) == [("slow", ODD)]
    assert await dead_letter_ids(service) == []


async def test_a_replay_that_comes_second_sends_nothing(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())
    await fail(service, image_id)
    await dispatch(Delivery(ODD, Channel.FAST, "topic/3/14", None), service.handlers(), service.repository.dead_letters)
    await service.session.run("DELETE FROM outbox")
    of_message, of_rendition = await dead_letter_ids(service)

    async def both_wait() -> bool:
        waiting = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        return len(await service.session.rows(waiting)) == 2

    async with service.repository.transaction() as first:
        await first.images.lock(image_id)
        await first.renditions.retry(image_id)
        await first.dead_letters.remove([of_message, of_rendition])
        second = [
            asyncio.create_task(replay(service.repository, dead_letter_id, "imagectl:test"))
            for dead_letter_id in (of_message, of_rendition)
        ]
        await eventually(both_wait)

    assert await asyncio.gather(*second) == [Replay.NOT_FOUND, Replay.NOT_FAILED]
    assert await sent(service) == []


async def test_a_task_carries_the_request_id_of_the_first_time(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())
    await service.repository.dead_letters.add(
        DeadLetter("decoder_died", "…", "topic/0/1", 5, image_id, "default", {"x-request-id": "first-time"})
    )
    await service.session.run("DELETE FROM outbox")
    await service.session.run("UPDATE renditions SET status = 'failed'")

    await replay(service.repository, (await dead_letter_ids(service))[0], "imagectl:test")

    assert [message.headers for _, message in await sent(service)] == [{"x-request-id": "first-time"}]


async def test_dead_letters_come_newest_first_and_none_that_is_written_meanwhile(service: Service) -> None:
    async def write(code: str) -> None:
        await service.repository.dead_letters.add(DeadLetter(code, "…", "topic/0/1", 1))

    for number in range(2 * BATCH + 1):
        await write("odd" if number % 2 else "even")
    ids = await dead_letter_ids(service)
    assert len(ids) == 2 * BATCH + 1
    assert ids == sorted(ids, reverse=True)

    assert [entry.id async for entry in list_dead_letters(service.repository, code=None, limit=BATCH + 2)] == ids[: BATCH + 2]
    assert {entry.dead_letter.code async for entry in list_dead_letters(service.repository, code="odd")} == {"odd"}
    visited = []
    async for entry in list_dead_letters(service.repository, code=None):
        await write("meanwhile")
        visited.append(entry.id)
    assert visited == ids


async def test_only_one_caller_removes_a_dead_letter(service: Service) -> None:
    await service.repository.dead_letters.add(DeadLetter("odd", "…", "topic/0/1", 1))
    [dead_letter_id] = await dead_letter_ids(service)

    removed = await asyncio.gather(*(service.repository.dead_letters.remove([dead_letter_id]) for _ in range(5)))

    assert sorted(map(len, removed)) == [0, 0, 0, 0, 1]


@pytest.mark.parametrize(("backend", "carried"), [("postgres", {"fast", "slow"}), ("kafka", set(Channel))])
async def test_a_command_sends_what_the_configured_queue_carries(
    service: Service, database_settings: DatabaseSettings, backend: str, carried: set[str]
) -> None:
    settings = msgspec.structs.replace(load_settings({"QUEUE_BACKEND": backend}), database=database_settings)

    async with open_repository(settings) as repository:
        for channel in Channel:
            await repository.outbox.add(channel, ODD)

    assert {row["channel"] for row in await service.session.rows("SELECT channel FROM outbox")} == carried
