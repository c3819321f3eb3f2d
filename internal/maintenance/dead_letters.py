"""Operators' work on dead letters: list, replay, drop. A replay is a retry (G3)."""

from collections.abc import AsyncIterator
from enum import StrEnum
from uuid import UUID

import structlog

from internal.domain.audit import new_entry
from internal.domain.dead_letter import UNREADABLE, DeadLetter
from internal.domain.message import Message, MessageContext
from internal.domain.tasks import CHANNEL, task_message
from internal.ports.repository.dead_letters import DeadLetterEntry
from internal.ports.repository.repository import Repository, Tables

log = structlog.get_logger(__name__)

BATCH = 50


class Replay(StrEnum):
    """Outcome of a replay. Only QUEUED removes the dead letter; the others change nothing."""

    QUEUED = "queued"
    NOT_FOUND = "no_letter"
    IMAGE_GONE = "image_gone"
    NOT_FAILED = "not_failed"
    NO_CHANNEL = "no_channel"
    UNREADABLE = "unreadable"


async def list_dead_letters(
    repository: Repository, *, code: str | None, limit: int | None = None
) -> AsyncIterator[DeadLetterEntry]:
    """Entries newest first, in constant memory. Those that are written meanwhile are left out, so that the list ends."""
    before: int | None = None
    left = limit
    while left is None or left > 0:
        wanted = BATCH if left is None else min(BATCH, left)
        page = await repository.dead_letters.page(before=before, code=code, limit=wanted)
        for entry in page:
            yield entry
        if len(page) < wanted:
            return
        before = page[-1].id
        left = None if left is None else left - wanted


async def replay(repository: Repository, dead_letter_id: int, actor: str) -> Replay:
    """Retry what the dead letter is about and remove it, in one transaction with an entry of the audit.

    A failed rendition is queued with all its attempts. A message that no handler could take is sent to its channel again,
    unchanged. Tasks carry the request id of the first time.

    INVARIANT: a dead letter is replayed once, however many callers ask for it
    (tests/integration/test_dead_letters.py::test_a_replay_that_comes_second_sends_nothing).
    """
    async with repository.transaction() as work:
        entry = await work.dead_letters.find(dead_letter_id)
        if entry is None:
            return Replay.NOT_FOUND
        dead_letter = entry.dead_letter
        if dead_letter.image_id is None or dead_letter.rendition is None:
            outcome = await _resend(work, entry)
        else:
            context = MessageContext.of_headers(dead_letter.headers)
            outcome = await _retry(work, dead_letter.image_id, dead_letter.rendition, context)
        if outcome == Replay.QUEUED:
            of = {"image_id": str(dead_letter.image_id) if dead_letter.image_id else None, "rendition": dead_letter.rendition}
            await work.audit.add(new_entry(actor, "dead_letter.replayed", str(dead_letter_id), code=dead_letter.code, **of))
    log.info("dead_letter.replayed", id=dead_letter_id, outcome=outcome.value)
    return outcome


async def drop(repository: Repository, dead_letter_id: int) -> bool:
    """Remove the dead letter; its rendition stays failed. False if there is none of this number."""
    dropped = bool(await repository.dead_letters.remove([dead_letter_id]))
    if dropped:
        log.info("dead_letter.dropped", id=dead_letter_id)
    return dropped


async def _retry(work: Tables, image_id: UUID, rendition: str, context: MessageContext) -> Replay:
    if await work.images.lock(image_id) is None:
        return Replay.IMAGE_GONE
    lanes = await work.renditions.retry(image_id, rendition)
    if not lanes:
        return Replay.NOT_FAILED
    for lane in lanes:
        await work.renditions.tag(image_id, lane, context)
        await work.outbox.add(CHANNEL[lane], task_message(image_id, lane, context))
    await work.images.refresh_status(image_id)
    await work.dead_letters.remove_of(image_id, rendition)
    return Replay.QUEUED


async def _resend(work: Tables, entry: DeadLetterEntry) -> Replay:
    dead_letter: DeadLetter = entry.dead_letter
    if dead_letter.channel is None:  # written before dead letters had a channel
        return Replay.NO_CHANNEL
    if dead_letter.code == UNREADABLE:
        return Replay.UNREADABLE
    if not await work.dead_letters.remove([entry.id]):  # another caller was faster: this waits for its commit
        return Replay.NOT_FOUND
    message = Message(dead_letter.type, dead_letter.key, dead_letter.body, dead_letter.headers)
    await work.outbox.add(dead_letter.channel, message)
    return Replay.QUEUED
