"""The relay: claims outbox messages, publishes them, removes them.

    wait for a commit's signal, or a second → claim a batch under a lease → publish all of it at once → remove what the queue has

Each channel has a loop of its own: a channel whose topic is missing does not block the others. Any number of relays may run. The
messages of a relay that dies are due again when their lease runs out; one may then be published twice, which is harmless. A
message that the queue will never accept (it is too large) becomes a dead letter, since it would be retried for ever.

INVARIANT: a message is removed only after the queue has it, so that a queue that is down costs time and no picture (G1, G6)
(tests/integration/test_relay.py::test_a_queue_that_is_down_loses_nothing).
"""

import asyncio
import contextlib
from collections.abc import Sequence
from enum import Enum, auto

import structlog

from internal.domain.dead_letter import DeadLetter
from internal.domain.errors import DatabaseUnavailable, QueueUnavailable
from internal.domain.message import Channel
from internal.observability import metrics
from internal.ports.queue import Queue
from internal.ports.repository.outbox import OutboxMessage
from internal.ports.repository.repository import Repository
from internal.ports.signals import Signals
from internal.runtime.failpoints import failpoint

log = structlog.get_logger(__name__)

SIGNAL = "outbox"
BATCH = 100
POLL_SECONDS = 1.0
RETRY_SECONDS = 1.0


class _Outcome(Enum):
    """Outcome of one message. Only POSTPONED leaves it in the outbox."""

    PUBLISHED = auto()
    DEAD_LETTER = auto()
    POSTPONED = auto()


class Relay:
    def __init__(self, repository: Repository, queue: Queue, signals: Signals, *, lease_seconds: float) -> None:
        self._repository = repository
        self._outbox = repository.outbox
        self._queue = queue
        self._signals = signals
        self._lease_seconds = lease_seconds

    async def run(self) -> None:
        """Publish until cancelled. Outages of database and queue do not end it."""
        async with asyncio.TaskGroup() as group:
            for channel in self._queue.exports:
                group.create_task(self._run(channel), name=f"relay-{channel}")

    async def _run(self, channel: Channel) -> None:
        woken = asyncio.Event()

        def wake(signalled: str) -> None:
            if signalled in (channel, ""):  # the channel that has messages, or "" after signals may have been missed
                woken.set()

        with self._signals.subscribed(SIGNAL, wake):
            while True:
                woken.clear()
                try:
                    await self.drain(channel)
                except DatabaseUnavailable as outage:
                    log.warning("relay.paused", detail=outage.detail)
                except Exception:  # e.g. not migrated yet: nothing would start a relay that ended
                    log.exception("relay.failed")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS):
                        await woken.wait()

    async def drain(self, channel: Channel) -> None:
        """Publish what is due in this channel, batch by batch, until nothing is due or the queue takes nothing.

        When cancelled, it finishes its batch first: no other relay would send the claimed messages until the lease runs out.
        """
        more = True
        while more:
            batch = asyncio.ensure_future(self._send_batch(channel))
            try:
                more = await asyncio.shield(batch)
            except asyncio.CancelledError:
                await asyncio.gather(batch, return_exceptions=True)
                raise

    async def _send_batch(self, channel: Channel) -> bool:
        """Publish one batch. True if more may be due now and the queue took some of this one."""
        claimed = await self._outbox.claim(channel, limit=BATCH, lease_seconds=self._lease_seconds)
        if not claimed:
            return False
        outcomes = await asyncio.gather(*(self._publish(message) for message in claimed))
        failpoint("after-publish")
        await self._outbox.remove(_ids(claimed, outcomes, _Outcome.PUBLISHED))
        if postponed := _ids(claimed, outcomes, _Outcome.POSTPONED):  # so that they do not block the others
            await self._outbox.postpone(postponed, seconds=RETRY_SECONDS)
            log.warning("relay.not_published", channel=channel, count=len(postponed))
        return len(claimed) == BATCH and len(postponed) < BATCH

    async def _publish(self, claimed: OutboxMessage) -> _Outcome:
        try:
            await self._queue.publish(claimed.channel, claimed.message)
        except QueueUnavailable as outage:
            log.debug("relay.queue_unavailable", detail=outage.detail)
        except ValueError as error:  # permanent: the queue will never accept this message
            return await self._move_to_dead_letters(claimed, str(error))
        except Exception:
            log.exception("relay.failed_to_publish", outbox_id=claimed.id, channel=claimed.channel)
        else:
            metrics.PUBLISHED.labels(claimed.channel).inc()
            return _Outcome.PUBLISHED
        metrics.NOT_PUBLISHED.labels(claimed.channel).inc()
        return _Outcome.POSTPONED

    async def _move_to_dead_letters(self, claimed: OutboxMessage, reason: str) -> _Outcome:
        """Move the message from the outbox to the dead letters, from where it can be replayed.

        The export of a dead letter is only removed: the dead letter itself is in its table. A message that can't be moved stays
        in the outbox; the rest of its batch is published and removed all the same.
        """
        code, source = "unpublishable_message", f"outbox/{claimed.id}"
        dead_letter = DeadLetter.of_message(claimed.message, claimed.channel, code=code, detail=reason, source=source)
        try:
            async with self._repository.transaction() as work:
                if claimed.channel != Channel.DEAD_LETTERS:
                    await work.dead_letters.add(dead_letter)
                await work.outbox.remove([claimed.id])
        except Exception:
            log.exception("relay.failed_to_publish", outbox_id=claimed.id, channel=claimed.channel)
            metrics.NOT_PUBLISHED.labels(claimed.channel).inc()
            return _Outcome.POSTPONED
        log.error("relay.unpublishable", outbox_id=claimed.id, channel=claimed.channel, detail=reason)
        return _Outcome.DEAD_LETTER


def _ids(claimed: Sequence[OutboxMessage], outcomes: Sequence[_Outcome], wanted: _Outcome) -> list[int]:
    return [message.id for message, outcome in zip(claimed, outcomes, strict=True) if outcome is wanted]
