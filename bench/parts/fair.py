"""A flood of one owner's beside another's thumbnails: from upload to processed, in the quiet system and beside 5,000 pictures.

The flood is uploaded while no worker runs, and is given to an owner of its own in the database: without identities everybody is
the same one. Then a worker starts on it, and the other owner's thumbnails come one after the other while it lasts.
"""

from statistics import median
from uuid import UUID

import psycopg

from bench import load
from bench.deployments import Deployment, Place
from bench.parts.scale import AT_ONCE, Scale
from bench.parts.service import count_unfinished, running_api, starting_worker, wait_until_queued
from bench.parts.thumbnails import Thumbnails, p95
from bench.pictures import SMALL, TWO, picture
from bench.programs import ProgramFailed, Running, run
from bench.render import THUMBNAIL
from bench.report import Result, verdict
from bench.requests import Connection

MARK = 2.0
FLOOD = 5000
PICTURES = 100
WARM_UP = 5
GIVE_AWAY = (
    b"UPDATE images SET owner = 'flood' WHERE id = ANY(%s)",
    b"UPDATE renditions SET tag_owner = 'flood' WHERE image_id = ANY(%s)",
)


def measure(deployment: Deployment, scale: Scale) -> Result:
    count = scale.count(PICTURES)
    with deployment.place() as place, running_api(place) as api:
        quiet = _thumbnails(count, api, place)
        flood = _flood(scale.count(FLOOD), api, place)
        beside = _thumbnails(count, api, place)
        left = count_unfinished(place, flood)
    if not left:
        raise ProgramFailed("the flood was done before the thumbnails were")
    return _result(deployment, quiet, beside, len(flood), left)


def _thumbnails(count: int, api: Running, place: Place) -> list[float]:
    """With a worker that is started for it: milliseconds of each."""
    with starting_worker(place) as worker, Connection(api.port) as connection:
        worker.wait_until_ready()
        thumbnails = Thumbnails(connection, api.port)
        thumbnails.measure(WARM_UP)
        return thumbnails.measure(count)


def _flood(count: int, api: Running, place: Place) -> list[UUID]:
    order = load.Order(load.Api(api.port), [load.Upload(picture(SMALL), THUMBNAIL.processing)], count, AT_ONCE)
    images = run("bench.load", order, load.Outcome).images
    wait_until_queued(place)
    with psycopg.connect(place.conninfo) as database:
        for statement in GIVE_AWAY:
            database.execute(statement, [images])
    return images


def _result(deployment: Deployment, quiet: list[float], beside: list[float], flood: int, left: int) -> Result:
    ratio = p95(beside) / p95(quiet)
    row = [
        f"{TWO.name} -> {THUMBNAIL.side} {THUMBNAIL.format}",
        f"{median(quiet):.1f}",
        f"{p95(quiet):.1f}",
        f"{median(beside):.1f}",
        f"{p95(beside):.1f}",
        f"{ratio:.2f}",
        verdict(ratio <= MARK, f"<= {MARK:g}"),
    ]
    columns = ["picture", "quiet p50 ms", "quiet p95 ms", "beside the flood p50 ms", "p95 ms", "p95 ratio", "mark"]
    notes = [
        f"{len(quiet)} and {len(beside)} thumbnails of one owner, one after the other; the flood: {flood:,} pictures of "
        f"{SMALL.name} of another owner, of which {left:,} were still to come at the end.",
    ]
    raw = {"quiet_ms": quiet, "beside_ms": beside}
    return Result("fair", "An owner beside another's flood", deployment.name, columns, [row], notes, raw, columns[:-1])
