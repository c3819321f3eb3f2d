"""A crowd: 200 uploads at the same moment, far more than the API takes at once, and how long until all of it is processed.

Every client has its connection before the clock starts. Whoever is told to come again (503 with Retry-After) does, as clients of
users do; its answer's time counts from its first byte. Afterwards each picture is asked for once: none may be lost.
"""

from statistics import median, quantiles
from uuid import UUID

from msgspec import Struct

from bench import load
from bench.deployments import Deployment, Place
from bench.parts.scale import Scale
from bench.parts.service import finished_within, running_api, starting_worker
from bench.pictures import TWO, picture
from bench.programs import Running, run
from bench.render import THUMBNAIL
from bench.report import Result, number, verdict
from bench.requests import Connection, RequestFailed

CROWD = 200
WARM_UP = 16
PATIENCE_SECONDS = 60.0
PROCESSED_SECONDS = 120.0
ROW_SECONDS = 60.0
COLUMNS = [
    "uploads at once",
    "answer p50 s",
    "p95 s",
    "max s",
    "told to come again",
    "all processed s",
    "pictures/s",
    "lost",
    "mark",
]


class Round(Struct, frozen=True):
    """Seconds of each answer; how many were told to come again; seconds until all were processed; failed, and not to be had."""

    taken: list[float]
    sent_away: int
    processed: float
    failed: int
    lost: int


def measure(deployment: Deployment, scale: Scale) -> Result:
    count, rounds = scale.count(CROWD), []
    with deployment.place() as place, running_api(place) as api, starting_worker(place) as worker:
        worker.wait_until_ready()
        _round(WARM_UP, api, place)
        for _ in scale.turns(ROW_SECONDS):
            rounds.append(_round(count, api, place))
    notes = [
        f"{TWO.name} -> {THUMBNAIL.side} {THUMBNAIL.format}; {len(rounds)} rounds, medians. `answer`: from an upload's first "
        "byte to its 201, waiting and coming again included; `all processed`: from the first byte of all to the last thumbnail.",
    ]
    row = _row(count, rounds)
    return Result("burst", "A crowd at one moment", deployment.name, COLUMNS, [row], notes, {"rounds": rounds}, COLUMNS[:-1])


def _round(count: int, api: Running, place: Place) -> Round:
    upload = load.Upload(picture(TWO), THUMBNAIL.processing)
    order = load.Order(load.Api(api.port, PATIENCE_SECONDS), [upload], count, count)
    outcome = run("bench.load", order, load.Outcome)
    finished = finished_within(place, outcome.images, PROCESSED_SECONDS)
    return Round(
        taken=outcome.taken,
        sent_away=outcome.sent_away,
        processed=max((moment for _, moment in finished), default=outcome.began) - outcome.began,
        failed=sum(status != "processed" for status, _ in finished),
        lost=sum(not _is_there(image, api) for image in outcome.images),
    )


def _is_there(image: UUID, api: Running) -> bool:
    try:
        with Connection(api.port) as connection:
            return bool(connection.wait_for_result(image, 1))
    except RequestFailed:
        return False


def _row(count: int, rounds: list[Round]) -> list[str]:
    failed, lost = sum(one.failed for one in rounds), sum(one.lost for one in rounds)
    return [
        f"{count:,}",
        number([median(one.taken) for one in rounds], 2),
        number([quantiles(one.taken, n=20)[-1] for one in rounds], 2),
        number([max(one.taken) for one in rounds], 2),
        number([one.sent_away for one in rounds], 0),
        number([one.processed for one in rounds], 1),
        number([count / one.processed for one in rounds], 1),
        str(lost),
        verdict(not failed and not lost, "none failed, none lost"),
    ]
