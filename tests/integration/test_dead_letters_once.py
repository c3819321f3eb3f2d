"""A message that nobody can take has one dead letter and one export of it, whatever dies and whoever else has it in hand (G3)."""

import asyncio
import contextlib

import pytest
from msgspec import structs

from internal.domain.dead_letter import DeadLetter
from internal.domain.message import Channel, Message
from internal.maintenance.dead_letters import list_dead_letters
from internal.ports.queue import Delivery
from internal.postgres.pool import Pool
from internal.repository.tables import PostgresRepository
from internal.worker.dispatch import dispatch
from tests import pictures
from tests.integration.service import Service
from tests.services.waiting import eventually

ODD = Message("image.process", "some key", b"not json \xff", {"x-request-id": "first-time", "more": "kept"})


async def dead_letter_ids(service: Service) -> list[int]:
    return [entry.id async for entry in list_dead_letters(service.repository, code=None)]


async def exported(service: Service) -> int:
    """How many dead letters wait to be published."""
    return await service.count("outbox WHERE channel = 'dead_letters'")


async def test_a_message_that_comes_again_adds_nothing(service: Service) -> None:
    """As after a kill between its dead letter and its acknowledgement; the reason may be another one by then."""
    delivery = Delivery(ODD, Channel.FAST, "topic/3/14", None)

    for known in (service.handlers(), service.handlers(), {}):
        await dispatch(delivery, known, service.repository.dead_letters)

    assert (len(await dead_letter_ids(service)), await exported(service)) == (1, 1)


@pytest.mark.parametrize(
    ("message", "source"),
    [
        (ODD, "topic/3/15"),
        (structs.replace(ODD, body=b"other"), "topic/3/14"),
        (structs.replace(ODD, key="other"), "topic/3/14"),
        (structs.replace(ODD, type="other"), "topic/3/14"),
        (structs.replace(ODD, headers={}), "topic/3/14"),
    ],
)
async def test_another_message_has_a_dead_letter_of_its_own(service: Service, message: Message, source: str) -> None:
    """Also in its place: a topic that was made anew counts its offsets from 0."""
    for delivery in (Delivery(ODD, Channel.FAST, "topic/3/14", None), Delivery(message, Channel.FAST, source, None)):
        await dispatch(delivery, service.handlers(), service.repository.dead_letters)

    assert (len(await dead_letter_ids(service)), await exported(service)) == (2, 2)


async def test_a_dead_letter_that_can_not_be_exported_is_not_kept(service: Service) -> None:
    await service.session.run("ALTER TABLE outbox RENAME TO outbox_away")
    try:
        with pytest.raises(Exception, match="outbox"):
            await dispatch(Delivery(ODD, Channel.FAST, "topic/3/14", None), service.handlers(), service.repository.dead_letters)
    finally:
        await service.session.run("ALTER TABLE outbox_away RENAME TO outbox")

    assert await dead_letter_ids(service) == []


async def test_a_dead_letter_is_kept_also_where_none_is_exported(service: Service, pool: Pool) -> None:
    unexported = PostgresRepository(pool, frozenset({Channel.FAST, Channel.SLOW})).dead_letters

    for _ in range(2):
        await dispatch(Delivery(ODD, Channel.FAST, "topic/3/14", None), service.handlers(), unexported)

    assert (len(await dead_letter_ids(service)), await exported(service)) == (1, 0)


@pytest.mark.parametrize("commits", [True, False])
async def test_a_message_that_two_workers_give_up_at_once_has_one_dead_letter(service: Service, commits: bool) -> None:
    """Two workers after a rebalance: the second waits for what becomes of the first's dead letter."""
    delivery = Delivery(ODD, Channel.FAST, "topic/3/14", None)
    dead_letter = DeadLetter.of_message(ODD, Channel.FAST, code="unprocessable_message", detail="…", source="topic/3/14")

    async def waits() -> bool:
        waiting = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        return len(await service.session.rows(waiting)) == 1

    with contextlib.suppress(InterruptedError):
        async with service.repository.transaction() as first:
            await first.dead_letters.add(dead_letter)
            assert len(await first.dead_letters.page(before=None, code=None, limit=1)) == 1
            second = asyncio.create_task(dispatch(delivery, service.handlers(), service.repository.dead_letters))
            await eventually(waits)
            if not commits:
                raise InterruptedError
    await second

    assert (len(await dead_letter_ids(service)), await exported(service)) == (1, 1)


async def test_every_dead_letter_of_a_rendition_is_kept(service: Service) -> None:
    """One message asks for several renditions, and each may fail for good again after a retry."""
    image_id = await service.upload(pictures.jpeg())
    for name in ("one", "two", "two"):
        await service.repository.dead_letters.add(DeadLetter("decoder_died", "…", "topic/0/1", 5, image_id, name, body=b"same"))

    assert [dead_letter.rendition for dead_letter in await service.repository.dead_letters.of(image_id)] == ["one", "two", "two"]
    assert await exported(service) == 3


async def test_duplicates_from_old_workers_do_no_harm(service: Service) -> None:
    """While processes are replaced one after the other, and for all the time before."""
    for _ in range(2):
        await service.session.run(
            "INSERT INTO dead_letters (code, detail, source, attempts, headers, body, channel, type, key)"
            " VALUES ('unprocessable_message', '…', 'topic/3/14', 1, '{}', 'odd', 'fast', 'image.process', 'k')"
        )

    for _ in range(2):
        odd = Message("image.process", "k", b"odd")
        await dispatch(Delivery(odd, Channel.FAST, "topic/3/14", None), service.handlers(), service.repository.dead_letters)

    assert len(await dead_letter_ids(service)) == 3
