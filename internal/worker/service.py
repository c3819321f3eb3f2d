"""The worker process: lanes, housekeeping and health, started together and stopped in order."""

import asyncio
import os
from collections.abc import Awaitable, Callable

import structlog

from internal.domain.errors import ServiceError
from internal.domain.message import Channel
from internal.maintenance.housekeeping import Housekeeping
from internal.rendering.settings import WorkerSettings
from internal.sandbox.settings import SandboxSettings
from internal.settings.sections import Settings
from internal.wiring.worker import open_worker
from internal.worker.consume import Lanes
from internal.worker.dispatch import HandlerPorts, create_handlers
from internal.worker.health import serve_health

log = structlog.get_logger(__name__)


def slots_of(worker: WorkerSettings) -> dict[Channel, int]:
    """Tasks at once in each lane: enough fast ones that some fetch and store while others decode, and few slow ones."""
    return {
        Channel.FAST: worker.fast_slots or 4 * cores(),
        Channel.SLOW: worker.slow_slots or max(1, cores() // 2),
    }


def decoders_of(sandbox: SandboxSettings, slots: dict[Channel, int]) -> int:
    """Decoder processes: two a core, since one alone leaves it idle at times, and one for each slow task."""
    return sandbox.children or min(2 * cores(), slots[Channel.FAST]) + slots[Channel.SLOW]


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


async def run_worker(settings: Settings, stopping: asyncio.Event) -> None:
    """Work until `stopping` is set, then finish the tasks in hand, or release those that are not done after the grace time."""
    slots = slots_of(settings.worker)
    async with open_worker(settings, children=decoders_of(settings.sandbox, slots)) as worker:
        retention = settings.retention
        housekeeping = Housekeeping(
            worker.repository,
            worker.store,
            worker.queue,
            worker.tasks.timings,
            events_days=retention.events_days,
            dead_letters_days=retention.dead_letters_days,
        )
        handlers = create_handlers(HandlerPorts(worker.repository, worker.store, worker.tasks))
        pause = settings.worker.pause_seconds
        dead_letters, look = worker.repository.dead_letters, worker.tasks.process_waiting
        lanes = Lanes(worker.queue, handlers, dead_letters, stopping, look, pause_seconds=pause)
        background = [
            *(
                asyncio.create_task(_repeat(round_, settings.worker.housekeeping_seconds), name=round_.__name__)
                for round_ in (housekeeping.requeue, housekeeping.cleanup)
            ),
            asyncio.create_task(serve_health(settings.worker, worker, settings.metrics.token), name="health"),
        ]
        consuming = [asyncio.create_task(lanes.consume(channel, count), name=channel) for channel, count in slots.items()]
        log.info("worker.started", slots={channel.value: count for channel, count in slots.items()})
        try:
            await _until_stopped(stopping, [*consuming, *background])
            log.info("worker.stopping", in_hand=lanes.in_hand)
            await asyncio.wait(consuming, timeout=settings.worker.grace_seconds)
        finally:
            await _end([*consuming, *background])
            log.info("worker.stopped")


async def _until_stopped(stopping: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
    """Wait for `stopping`. Raises the error of a task that ends before."""
    waiting = asyncio.create_task(stopping.wait())
    try:
        done, _ = await asyncio.wait({waiting, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {waiting}:
            task.result()
    finally:
        waiting.cancel()


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _repeat(round_: Callable[[], Awaitable[None]], every_seconds: float) -> None:
    while True:
        try:
            await round_()
        except ServiceError as error:
            log.warning("housekeeping.paused", code=error.code, detail=error.detail)
        except Exception:
            log.exception("housekeeping.failed")
        await asyncio.sleep(every_seconds)
