"""Dead letters, taken up again by an operator: replay is retry (G3)."""

from collections.abc import AsyncIterator
from enum import StrEnum
from uuid import UUID

import structlog

from internal.domain.dead_letter import UNREADABLE, DeadLetter
from internal.domain.message import Message, MessageContext
from internal.domain.tasks import CHANNEL, task_message
from internal.ports.repository.dead_letters import KeptDeadLetter
from internal.ports.repository.repository import Repository, Tables

log = structlog.get_logger(__name__)

BATCH = 50


class Replay(StrEnum):
    """What came of a replay. Only the first removes the letter; the others change nothing."""

    QUEUED = "queued"
    NO_LETTER = "no_letter"
    IMAGE_GONE = "image_gone"
    NOT_FAILED = "not_failed"
    NO_CHANNEL = "no_channel"
    UNREADABLE = "unreadable"


async def every_letter(repository: Repository, *, code: str | None, limit: int | None = None) -> AsyncIterator[KeptDeadLetter]:
    """Letters newest first, in constant memory. One that is written meanwhile is not among them, so that this ends."""
    before: int | None = None
    left = limit
    while left is None or left > 0:
        wanted = BATCH if left is None else min(BATCH, left)
        page = await repository.dead_letters.page(before=before, code=code, limit=wanted)
        for kept in page:
            yield kept
        if len(page) < wanted:
            return
        before = page[-1].id
        left = None if left is None else left - wanted


async def replay(repository: Repository, letter_id: int) -> Replay:
    """Try again what the letter tells of, and remove the letter, in one transaction.

    A rendition that has failed is queued with all its tries; a message that no handler could take goes once more to its channel,
    as it came. The tasks carry the request id of the first time.

    INVARIANT: a letter is replayed once, however often and by however many that is asked
    (tests/integration/test_dead_letters.py::test_a_replay_that_comes_second_sends_nothing).
    """
    async with repository.transaction() as work:
        kept = await work.dead_letters.find(letter_id)
        if kept is None:
            return Replay.NO_LETTER
        letter = kept.letter
        if letter.image_id is None or letter.rendition is None:
            outcome = await _send_again(work, letter_id, letter)
        else:
            context = MessageContext.of_headers(letter.headers)
            outcome = await _retry(work, letter.image_id, letter.rendition, context)
    log.info("dead_letter.replayed", id=letter_id, outcome=outcome.value)
    return outcome


async def drop(repository: Repository, letter_id: int) -> bool:
    """Remove the letter; what failed stays failed. False when it is not there."""
    dropped = bool(await repository.dead_letters.remove([letter_id]))
    if dropped:
        log.info("dead_letter.dropped", id=letter_id)
    return dropped


async def _retry(work: Tables, image_id: UUID, rendition: str, context: MessageContext) -> Replay:
    if await work.images.lock(image_id) is None:
        return Replay.IMAGE_GONE
    lanes = await work.renditions.retry(image_id, rendition)
    if not lanes:
        return Replay.NOT_FAILED
    for lane in lanes:
        await work.outbox.add(CHANNEL[lane], task_message(image_id, lane, context))
    await work.images.refresh_status(image_id)
    await work.dead_letters.remove_of(image_id, rendition)
    return Replay.QUEUED


async def _send_again(work: Tables, letter_id: int, letter: DeadLetter) -> Replay:
    if letter.channel is None:  # written before letters told
        return Replay.NO_CHANNEL
    if letter.code == UNREADABLE:
        return Replay.UNREADABLE
    if not await work.dead_letters.remove([letter_id]):  # another was faster: it waits here for the other's commit
        return Replay.NO_LETTER
    await work.outbox.add(letter.channel, Message(letter.type, letter.key, letter.body, letter.headers))
    return Replay.QUEUED
