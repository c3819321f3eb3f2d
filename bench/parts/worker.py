"""Worker from a full queue, against a bare loop on the same objects, store and cores.

A round: no worker; N uploads; every task in the queue; then the worker is started. Measured from the first finished picture to
the last, so that starting counts for nothing. Then the bare loop makes the same of the same N originals. Rounds of both
alternate, since what else runs on the machine changes, and the ratio is that of the medians.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from uuid import UUID

import msgspec
from msgspec import Struct

from bench import bare_loop, load
from bench.compare import Rows, Spent, spent
from bench.deployments import Deployment, Place
from bench.parts.scale import AT_ONCE, Scale
from bench.parts.service import groups_of, running_api, starting_worker, wait_until_finished, wait_until_queued
from bench.pictures import SMALL, TWELVE, TWO, Size, picture
from bench.programs import Running, run
from bench.render import THUMBNAIL, WEB, Rendering
from bench.report import Result, by_name, number, verdict
from bench.sampler import Sampler

MARK = 0.9
ROUND_SECONDS = 120.0
ROW_SECONDS = 45.0
STEPS = ("fetch_seconds", "render_seconds", "cpu_seconds", "store_seconds", "seconds")


class Case(Struct, frozen=True):
    """A picture, what is made of it, and how many of them in a round."""

    size: Size
    rendering: Rendering
    count: int

    @property
    def name(self) -> str:
        return f"{self.size.name} -> {self.rendering.side} {self.rendering.format}"


CASES = (Case(TWELVE, THUMBNAIL, 120), Case(TWO, THUMBNAIL, 400), Case(SMALL, THUMBNAIL, 600), Case(TWELVE, WEB, 48))


class Round(Struct, frozen=True):
    """Images a second, and CPU seconds of one image by who used them."""

    rate: float
    cpu: dict[str, float]
    steps: dict[str, float] = {}


def measure(deployment: Deployment, scale: Scale) -> Result:
    rows, raw = [], {}
    with deployment.place() as place, running_api(place) as api:
        for case in CASES:
            served, bare = [], []
            for _ in scale.turns(ROW_SECONDS):
                images = _upload(case, scale, api, place)
                served.append(from_full_queue(images, place))
                bare.append(_bare(case, images, place))
            rows.append(_row(case, served, bare))
            raw[case.name] = {"service": served, "bare": bare}
    columns = ["picture", "images/s", "bare images/s", "ratio", "mark", "CPU ms/image", "bare CPU", "servers' CPU ms", "steps ms"]
    notes = [
        "CPU: worker process + its decoders; the bare loop's own. steps: fetch, render (of it CPU), store, all of it.",
    ]
    return Result("worker", "Worker from a full queue", deployment.name, columns, rows, notes, raw, columns[:4])


@contextmanager
def compared(place: Place, scale: Scale) -> Iterator[Rows]:
    """One side of a comparison: a worker of this place that starts on a full queue in every round."""
    with running_api(place) as api:

        def measured(case: Case) -> Spent:
            one = from_full_queue(_upload(case, scale, api, place), place)
            return spent(one.cpu, 1 / one.rate)

        yield {case.name: partial(measured, case) for case in CASES}


def _upload(case: Case, scale: Scale, api: Running, place: Place) -> list[UUID]:
    upload = load.Upload(picture(case.size), case.rendering.processing)
    outcome = run("bench.load", load.Order(load.Api(api.port), [upload], scale.count(case.count), AT_ONCE), load.Outcome)
    wait_until_queued(place)
    return outcome.images


def from_full_queue(images: list[UUID], place: Place) -> Round:
    """What a worker needs for these images, all of which are queued."""
    with starting_worker(place) as worker, Sampler(groups_of(place, worker=worker)) as sampler:
        finished = wait_until_finished(place, images, ROUND_SECONDS)
    spent = sampler.cpu_between(finished[0], finished[-1])
    share = len(finished) - 1
    return Round(_rate(finished), {name: seconds / share for name, seconds in spent.items()}, _steps(worker.log, len(images)))


def _bare(case: Case, images: list[UUID], place: Place) -> Round:
    processes = 2 * len(os.sched_getaffinity(0))  # as many as the worker has slots
    order = bare_loop.Order(images, place.store, case.rendering, processes)
    with Sampler(place.servers) as sampler:
        outcome = run("bench.bare_loop", order, bare_loop.Outcome)
    servers = sampler.cpu_between(outcome.finished[0], outcome.finished[-1])
    cpu = {"loop": outcome.cpu_seconds, **servers}
    return Round(_rate(outcome.finished), {name: seconds / len(images) for name, seconds in cpu.items()})


def _rate(finished: list[float]) -> float:
    assert all(before <= after for before, after in pairwise(finished))
    return (len(finished) - 1) / (finished[-1] - finished[0])


def _steps(log: Path, count: int) -> dict[str, float]:
    """Medians of the durations in the worker's own lines about the last `count` pictures."""
    lines = [msgspec.json.decode(line) for line in log.read_bytes().splitlines() if b'"rendition.processed"' in line]
    return {step: median(float(line[step]) for line in lines[-count:]) for step in STEPS} if lines else {}


def _row(case: Case, served: list[Round], bare: list[Round]) -> list[str]:
    ratio = median(one.rate for one in served) / median(one.rate for one in bare)
    ours = [{name: one.cpu[name] for name in ("worker", "decoders")} for one in served]
    servers = [{name: value for name, value in one.cpu.items() if name not in ("worker", "decoders")} for one in served]
    total = [sum(parts.values()) * 1000 for parts in ours]
    fetch, render, cpu, store, whole = (median(one.steps.get(step, 0) for one in served) * 1000 for step in STEPS)
    return [
        case.name,
        number([one.rate for one in served]),
        number([one.rate for one in bare]),
        f"{ratio:.2f}",
        verdict(ratio >= MARK, f">= {MARK}"),
        f"{median(total):.1f} ({by_name(ours)})",
        f"{median(one.cpu['loop'] for one in bare) * 1000:.1f}",
        by_name(servers),
        f"{fetch:.0f} + {render:.0f} ({cpu:.0f}) + {store:.0f} = {whole:.0f}",
    ]
