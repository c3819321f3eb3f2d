"""What a million rows cost: the same work in databases that hold a thousand, a hundred thousand and a million pictures already.

Each has its own database on one server, filled before anything is measured, and an API of its own; rounds go through all of them
in turn, so that they meet the same machine. What a round makes it deletes again.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from statistics import median
from uuid import UUID

import msgspec
import psycopg
from msgspec import Struct

from bench import load
from bench.deployments import Deployment, Place, settings_of
from bench.parts.scale import AT_ONCE, Scale
from bench.parts.service import running_api, wait_until_queued
from bench.parts.worker import from_full_queue
from bench.pictures import SMALL, picture
from bench.programs import Running, run
from bench.render import THUMBNAIL
from bench.report import Result, number, verdict
from bench.requests import Connection, get_request
from bench.sampler import Sampler
from bench.seed_rows import seed_rows
from internal.intake.idempotency import KEPT_SECONDS
from internal.maintenance.gc import KEYS
from internal.postgres.lower_bound import EVER_SECONDS
from internal.repository.idempotency import PURGE_KEYS
from internal.repository.pending_objects import NEXT_OVERDUE_OBJECT
from internal.repository.renditions import OVERDUE_LANES, STALLED_RENDITIONS

LEVELS, FEW = (1_000, 100_000, 1_000_000), (1_000, 20_000)
PICTURES = 300
"""And as many of every short call."""
ROW_SECONDS = 120.0
FLAT = 1.25
SEED = 7
SAMPLE = b"SELECT id FROM images ORDER BY id OFFSET (SELECT count(*) FROM images) / 2 LIMIT 1000"
MIDDLE = b"""
    SELECT to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
      FROM images ORDER BY created_at OFFSET (SELECT count(*) FROM images) / 2 LIMIT 1
"""

Call = Callable[[int], object]


class Site(Struct, frozen=True):
    """A database with so many pictures in it, and the API in front of it."""

    level: int
    place: Place
    api: Running


class Page(Struct):
    """What is read of a list."""

    next_cursor: str | None


def measure(deployment: Deployment, scale: Scale) -> Result:
    levels = LEVELS if scale.rounds > 1 else FEW
    rounds: dict[int, list[dict[str, float]]] = {level: [] for level in levels}
    with ExitStack() as stack:
        sites = [stack.enter_context(_site(deployment, level)) for level in levels]
        for _ in scale.turns(ROW_SECONDS):
            for site, spent in zip(sites, _round(sites, scale), strict=True):
                rounds[site.level].append(spent)
    names = [f"{level:,}" for level in levels]
    columns = ["ms", *(f"{name} pictures" for name in names), *(f"{name} / {names[0]}" for name in names[1:]), "mark"]
    rows = [_row(what, list(rounds.values())) for what in rounds[levels[0]][0]]
    notes = [
        f"So many pictures, renditions and dead letters of them, four events a picture, and a tenth as many Idempotency-Keys. "
        f"{SMALL.name} -> {THUMBNAIL.side} {THUMBNAIL.format}; `far behind`: a page of the list from its middle on; "
        "`housekeeping`: its statements, one round.",
        f"flat: with the most at most {FLAT} times what it is with the fewest.",
    ]
    raw = {f"{level}": of for level, of in rounds.items()}
    return Result("rows", "The same work among many rows", deployment.name, columns, rows, notes, raw, columns[:-1])


@contextmanager
def _site(deployment: Deployment, level: int) -> Iterator[Site]:
    with deployment.place() as place:
        seed_rows(place.conninfo, level)
        with running_api(place) as api:
            yield Site(level, place, api)


def _round(sites: list[Site], scale: Scale) -> list[dict[str, float]]:
    """Milliseconds by what they were spent on, of each site. The short calls go through all sites in turn, one by one."""
    made, spent = zip(*(_worked(site, scale) for site in sites), strict=True)
    with ExitStack() as stack:
        calls = [_calls(site, images, stack) for site, images in zip(sites, made, strict=True)]
        for what in calls[0]:
            taken = _in_turn([of_site[what] for of_site in calls], scale.count(PICTURES))
            for values, milliseconds in zip(spent, taken, strict=True):
                values[what] = median(milliseconds)
    return list(spent)


def _worked(site: Site, scale: Scale) -> tuple[list[UUID], dict[str, float]]:
    """Pictures uploaded, queued, and made by a worker."""
    count = scale.count(PICTURES)
    order = load.Order(load.Api(site.api.port), [load.Upload(picture(SMALL), THUMBNAIL.processing)], count, AT_ONCE)
    with Sampler(site.place.servers[:1]) as sampler:
        outcome = run("bench.load", order, load.Outcome)
        wait_until_queued(site.place)
    served = from_full_queue(outcome.images, site.place)
    postgres = sampler.cpu().get("postgres", 0.0) / count + served.cpu.get("postgres", 0.0)
    return outcome.images, {
        "PostgreSQL's CPU, a picture": postgres * 1000,
        "upload, p50": median(outcome.taken) * 1000,
        "a picture at a full queue": 1000 / served.rate,
    }


def _calls(site: Site, images: list[UUID], stack: ExitStack) -> dict[str, Call]:
    """A status of any picture that was there, two pages of the list, the end of what was made, and housekeeping."""
    port, connection = site.api.port, stack.enter_context(Connection(site.api.port))
    with psycopg.connect(site.place.conninfo) as database:
        there: list[UUID] = [image for (image,) in database.execute(SAMPLE)]
        middle = database.execute(MIDDLE).fetchone()
    assert middle
    random.Random(SEED).shuffle(there)
    page = connection.ask(get_request(f"/images?limit=1&created_before={middle[0]}", port), 200).body
    cursor = msgspec.json.decode(page, type=Page).next_cursor
    return {
        "status, p50": lambda turn: connection.ask(get_request(f"/images/{there[turn % len(there)]}/status", port), 200),
        "list, p50": lambda _: connection.ask(get_request("/images?limit=50", port), 200),
        "list far behind, p50": lambda _: connection.ask(get_request(f"/images?limit=50&cursor={cursor}", port), 200),
        "delete, p50": lambda turn: connection.delete(images[turn]),
        "housekeeping, p50": _housekeeping(site.place, stack),
    }


def _housekeeping(place: Place, stack: ExitStack) -> Call:
    """One round's statements, when there is nothing to be found; nothing is kept of it."""
    settings = settings_of(place.environment)
    statements = (
        (STALLED_RENDITIONS, {"limit": 1, "exclude": [], "since": EVER_SECONDS}),
        (OVERDUE_LANES, {"seconds": settings.worker.overdue_seconds, "since": EVER_SECONDS}),
        (NEXT_OVERDUE_OBJECT, {"seconds": settings.storage.sweep_seconds, "exclude": [], "since": EVER_SECONDS}),
        (PURGE_KEYS, {"seconds": KEPT_SECONDS, "limit": KEYS, "since": EVER_SECONDS}),
    )
    connection = stack.enter_context(psycopg.connect(place.conninfo, autocommit=True, prepare_threshold=1))

    def keep_house(_: int) -> None:
        with connection.transaction(force_rollback=True):
            for statement, values in statements:
                connection.execute(statement, values)

    return keep_house


def _in_turn(calls: list[Call], count: int) -> list[list[float]]:
    """Milliseconds of each call, by who did it: the first, the second, the third, and the first again."""
    taken: list[list[float]] = [[] for _ in calls]
    for turn in range(count):
        for call, milliseconds in zip(calls, taken, strict=True):
            began = time.perf_counter()
            call(turn)
            milliseconds.append((time.perf_counter() - began) * 1000)
    return taken


def _row(what: str, rounds: list[list[dict[str, float]]]) -> list[str]:
    values = [[one[what] for one in of_level] for of_level in rounds]
    ratios = [median(of_level) / median(values[0]) for of_level in values[1:]]
    return [
        what,
        *(number(of_level, 2) for of_level in values),
        *(f"{ratio:.2f}" for ratio in ratios),
        verdict(ratios[-1] <= FLAT, f"<= {FLAT}"),
    ]
