"""The relay: claims outbox rows, publishes them, drops them.

    wait for a commit's signal, or a second → claim a batch under a lease → publish all at once → drop what the queue has

Each channel by itself: one whose topic is gone, and whose rows pile up, holds up no other. Any number of relays may run. One that
dies gives its rows back when their lease runs out; a message may then be published twice, which is harmless. What the queue will
never take (it is too large) becomes a dead letter: else it would be tried for ever.

INVARIANT: a row is dropped only after the queue has its message, so that a queue that is down costs time and no picture (G1, G6)
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
    """What became of a row; only what is kept stays in the outbox."""

    PUBLISHED = auto()
    DEAD = auto()
    KEPT = auto()


class Relay:
    def __init__(self, repository: Repository, queue: Queue, signals: Signals, *, lease_seconds: float) -> None:
        self._repository = repository
        self._outbox = repository.outbox
        self._queue = queue
        self._signals = signals
        self._lease_seconds = lease_seconds

    async def run(self) -> None:
        """Publish until cancelled; lives through outages of database and queue."""
        async with asyncio.TaskGroup() as group:
            for channel in self._queue.exports:
                group.create_task(self._run(channel), name=f"relay-{channel}")

    async def _run(self, channel: Channel) -> None:
        woken = asyncio.Event()

        def wake(signalled: str) -> None:
            if signalled in (channel, ""):  # which channel has news, or that some may have been missed
                woken.set()

        with self._signals.subscribed(SIGNAL, wake):
            while True:
                woken.clear()
                try:
                    await self.drain(channel)
                except DatabaseUnavailable as outage:
                    log.warning("relay.paused", detail=outage.detail)
                except Exception:  # not migrated yet: a relay that ended would be missed by nobody
                    log.exception("relay.failed")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS):
                        await woken.wait()

    async def drain(self, channel: Channel) -> None:
        """Publish what is due in this channel, batch after batch, until nothing is due or the queue takes nothing.

        Cancelled, it ends its batch first: what it has claimed nobody else would send until the lease runs out.
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
        """Whether to go on: there may be more, and the queue took some of it. Of what comes later the signal tells."""
        rows = await self._outbox.claim(channel, limit=BATCH, lease_seconds=self._lease_seconds)
        if not rows:
            return False
        outcomes = await asyncio.gather(*(self._publish(row) for row in rows))
        failpoint("after-publish")
        await self._outbox.published(_those(rows, outcomes, _Outcome.PUBLISHED))
        if kept := _those(rows, outcomes, _Outcome.KEPT):  # one row that can't be published doesn't hold up the others
            await self._outbox.postpone(kept, seconds=RETRY_SECONDS)
            log.warning("relay.not_published", channel=channel, count=len(kept))
        return len(rows) == BATCH and len(kept) < BATCH

    async def _publish(self, row: OutboxMessage) -> _Outcome:
        try:
            await self._queue.publish(row.channel, row.message)
        except QueueUnavailable as outage:
            log.debug("relay.queue_unavailable", detail=outage.detail)
        except ValueError as error:  # the port's word for never
            return await self._bury(row, str(error))
        except Exception:
            log.exception("relay.failed_to_publish", outbox_id=row.id, channel=row.channel)
        else:
            metrics.PUBLISHED.labels(row.channel).inc()
            return _Outcome.PUBLISHED
        metrics.NOT_PUBLISHED.labels(row.channel).inc()
        return _Outcome.KEPT

    async def _bury(self, row: OutboxMessage, reason: str) -> _Outcome:
        """Move the row to the dead letters, from where it can be sent again. What tells of one is in their table already.

        A row that can't be moved is kept, and spoils nothing: the others of its batch are published, and dropped.
        """
        code, source = "unpublishable_message", f"outbox/{row.id}"
        letter = DeadLetter.of_message(row.message, row.channel, code=code, detail=reason, source=source)
        try:
            async with self._repository.transaction() as work:
                if row.channel != Channel.DEAD_LETTERS:
                    await work.dead_letters.add(letter)
                await work.outbox.published([row.id])
        except Exception:
            log.exception("relay.failed_to_publish", outbox_id=row.id, channel=row.channel)
            metrics.NOT_PUBLISHED.labels(row.channel).inc()
            return _Outcome.KEPT
        log.error("relay.unpublishable", outbox_id=row.id, channel=row.channel, detail=reason)
        return _Outcome.DEAD


def _those(rows: Sequence[OutboxMessage], outcomes: Sequence[_Outcome], wanted: _Outcome) -> list[int]:
    return [row.id for row, outcome in zip(rows, outcomes, strict=True) if outcome is wanted]
