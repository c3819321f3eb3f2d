"""Ten thousand mixed pictures, mostly small ones, through API and worker: whether memory is the same at the end as at the tenth.

They come in portions: one is uploaded while the worker is at the one before, so that both are at work all the time and no queue
grows. A process's memory at a portion is the median over it. A busy machine makes fewer pictures, not a longer run.
"""

import time
from statistics import median
from uuid import UUID

from msgspec import Struct

from bench import load
from bench.deployments import Deployment, Place, settings_of
from bench.parts.children import IDLE_MEGABYTES
from bench.parts.memory import FLAT_MEGABYTES, MIXED, PROCESSES
from bench.parts.scale import AT_ONCE, Scale
from bench.parts.service import groups_of, running_api, starting_worker, wait_until_finished
from bench.pictures import SMALL, picture
from bench.programs import Running, run
from bench.render import THUMBNAIL
from bench.report import Result, verdict
from bench.sampler import Sampler
from internal.worker.service import decoders_of, slots_of

PICTURES = 10_000
PORTIONS = 40
LIMIT_SECONDS = 900.0
PORTION_SECONDS = 120.0
SETTLE_SECONDS = 5.0
INTERVAL_SECONDS = 0.25
KINDS = [*MIXED, *[(SMALL, THUMBNAIL)] * len(MIXED)]
SHARES = (0.1, 0.5, 1.0)
COLUMNS = ["RSS, MB", "before", "at 10 %", "at 50 %", "at the end", "idle again", "growth", "mark"]


class Look(Struct, frozen=True):
    """Bytes by process after so many pictures."""

    pictures: int
    rss: dict[str, float]


def measure(deployment: Deployment, scale: Scale) -> Result:
    count = scale.count(PICTURES)
    with deployment.place() as place, running_api(place) as api, starting_worker(place) as worker:
        worker.wait_until_ready()
        time.sleep(SETTLE_SECONDS)
        began = time.monotonic()
        looks = _measured(count, LIMIT_SECONDS * scale.share, api, worker, place)
        seconds = time.monotonic() - began
        slots = slots_of((settings := settings_of(place.environment)).worker)
        down = IDLE_MEGABYTES * decoders_of(settings.sandbox, slots)
    before, *working, idle = looks
    rows = [_row(name, before, working, idle, down) for name in PROCESSES]
    notes = [
        f"{working[-1].pictures:,} of {count:,} pictures in {seconds:.0f} s, three quarters of them {SMALL.name}; MB are 10^6.",
        f"flat: from a tenth to the end at most {FLAT_MEGABYTES} MB more; back down: the idle decoders together at most {down} "
        "MB over fresh ones, with what they share counted in each.",
    ]
    title = "Memory over ten thousand pictures"
    return Result("endurance", title, deployment.name, COLUMNS, rows, notes, {"looks": looks}, COLUMNS[:-1])


def _measured(count: int, seconds: float, api: Running, worker: Running, place: Place) -> list[Look]:
    """Before the first picture, after each portion, and when all is idle again."""
    uploads = [load.Upload(picture(size), rendering.processing) for size, rendering in KINDS]
    order = load.Order(load.Api(api.port), uploads, count // PORTIONS, AT_ONCE)
    deadline, made, under_way = time.monotonic() + seconds, 0, list[UUID]()
    with Sampler(groups_of(place, api=api, worker=worker), interval=INTERVAL_SECONDS) as sampler:
        looks = [_look(0, sampler, 0)]
        while made < count and time.monotonic() < deadline:
            first = len(sampler.samples)
            outcome = run("bench.load", order, load.Outcome)
            wait_until_finished(place, under_way, PORTION_SECONDS)
            under_way, made = outcome.images, made + order.count
            looks.append(_look(made, sampler, first))
        wait_until_finished(place, under_way, PORTION_SECONDS)
        time.sleep(SETTLE_SECONDS)
        return [*looks, _look(made, sampler, len(sampler.samples) - 1)]


def _look(pictures: int, sampler: Sampler, first: int) -> Look:
    samples = sampler.samples[first:] or sampler.samples[-1:]
    return Look(pictures, {name: median(sample.rss[name] for sample in samples) for name in PROCESSES})


def _row(name: str, before: Look, working: list[Look], idle: Look, down: int) -> list[str]:
    made = working[-1].pictures
    places = [min(working, key=lambda look: abs(look.pictures - share * made)).rss[name] for share in SHARES]
    growth = places[-1] - places[0]
    left = idle.rss[name] - before.rss[name]
    mark = verdict(left <= down * 10**6, "back down") if name == "decoders" else verdict(growth <= FLAT_MEGABYTES * 10**6, "flat")
    return [
        name,
        *(f"{value / 1e6:,.0f}" for value in (before.rss[name], *places, idle.rss[name])),
        f"{growth / 1e6:+,.0f}",
        mark,
    ]
