"""The relay: claims outbox rows, publishes them, drops them.

    wait for a commit's signal, or a second → claim a batch under a lease → publish all at once → drop what the queue has

A relay that dies gives its rows back when their lease runs out; a message may then be published twice, which is harmless. Any
number of relays may run.

INVARIANT: a row is dropped only after the queue has its message, so that a queue that is down costs time and no picture (G1, G6)
(tests/integration/test_relay.py::test_a_queue_that_is_down_loses_nothing).
"""

import asyncio
import contextlib

import structlog

from internal import metrics
from internal.errors import DatabaseUnavailable, QueueUnavailable
from internal.queue.port import Queue
from internal.repository.port import Outgoing, Repository, Signals

log = structlog.get_logger(__name__)

SIGNAL = "outbox"
BATCH = 100
LEASE_SECONDS = 30.0
POLL_SECONDS = 1.0
RETRY_SECONDS = 1.0


class Relay:
    def __init__(self, repository: Repository, queue: Queue, signals: Signals) -> None:
        self._outbox = repository.outbox
        self._queue = queue
        self._signals = signals

    async def run(self) -> None:
        """Publish until cancelled; lives through outages of database and queue."""
        woken = asyncio.Event()
        with self._signals.subscribed(SIGNAL, lambda _: woken.set()):
            while True:
                woken.clear()
                try:
                    await self.drain()
                except DatabaseUnavailable as outage:
                    log.warning("relay.paused", detail=outage.detail)
                except Exception:  # not migrated yet, read-only for a while: a relay that ended would be missed by nobody
                    log.exception("relay.failed")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS):
                        await woken.wait()

    async def drain(self) -> None:
        """Publish what is due, batch after batch, until nothing is due or the queue takes nothing."""
        while rows := await self._outbox.claim(limit=BATCH, lease_seconds=LEASE_SECONDS):
            outcomes = await asyncio.gather(*(self._publish(row) for row in rows))
            published = [row.id for row, sent in zip(rows, outcomes, strict=True) if sent]
            await self._outbox.published(published)
            if len(published) < len(rows):  # one row that can't be published doesn't hold up the others
                kept = [row.id for row, sent in zip(rows, outcomes, strict=True) if not sent]
                await self._outbox.postpone(kept, seconds=RETRY_SECONDS)
                log.warning("relay.not_published", count=len(kept))
            if not published:
                return

    async def _publish(self, row: Outgoing) -> bool:
        try:
            await self._queue.publish(row.channel, row.message)
            metrics.PUBLISHED.labels(row.channel).inc()
        except QueueUnavailable as outage:
            log.debug("relay.queue_unavailable", detail=outage.detail)
            metrics.NOT_PUBLISHED.labels(row.channel).inc()
            return False
        except Exception:
            log.exception("relay.unpublishable", outbox_id=row.id, channel=row.channel)
            metrics.NOT_PUBLISHED.labels(row.channel).inc()
            return False
        return True
