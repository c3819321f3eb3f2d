"""What identity, limits and quotas cost: a status by key or token, and an upload with all three, each against an open one.

Four APIs of one place run side by side: open, by key, by token, and by key with limits and quotas that are far away. Rounds
alternate; the ratio is that of CPU times, since what else runs on the machine changes.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from statistics import median

import jwt
from msgspec import Struct
from msgspec.structs import replace

from bench import fetch, load
from bench.deployments import Deployment, Place, settings_of
from bench.parts.scale import AT_ONCE, Scale
from bench.parts.service import groups_of, running_api
from bench.pictures import SMALL, TWO, Size, picture
from bench.programs import Running, run
from bench.render import THUMBNAIL
from bench.report import Result, number, verdict
from bench.requests import get_request
from bench.sampler import Sampler
from internal.identity.keys import create_key
from internal.wiring.operator import open_repository

STATUSES, UPLOADS = 4000, {SMALL.name: 500, TWO.name: 250}
PICTURES = 16
WARM_UP = 200
ROW_SECONDS = 40.0
MARKS = {"key": 0.9, "token": 0.85, "upload": 0.95}
COLUMNS = ["what", "requests/s", "CPU ms", "open CPU ms", "CPU ratio", "mark", "servers' CPU ratio"]

OWNER, SCOPES = "bench", ["images:read", "images:write"]
SECRET = "0123456789abcdef" * 4
NO_LIMIT = "1000000000"
BY_KEY = {"AUTH_MODE": "key"}
LIMITED = {
    **BY_KEY,
    **{f"RATE_LIMIT_{name}": f"{NO_LIMIT}/60" for name in ("REQUESTS", "UPLOADS")},
    "RATE_LIMIT_UPLOAD_BYTES": f"{NO_LIMIT}000/60",
    **{f"QUOTA_{name}": NO_LIMIT for name in ("IMAGES", "QUEUED")},
    "QUOTA_BYTES": f"{NO_LIMIT}000",
}
BY_TOKEN = {
    "AUTH_MODE": "jwt",
    "JWT_ISSUER": "https://issuer.example",
    "JWT_AUDIENCE": "images",
    "JWT_ALGORITHMS": "HS256",
    "JWT_SECRET": SECRET,
}
SETTINGS: dict[str, dict[str, str]] = {"open": {}, "key": BY_KEY, "token": BY_TOKEN, "limited": LIMITED}


class Way(Struct, frozen=True):
    """One API, and the line of the head that says who asks; none where nobody is asked."""

    api: Running
    head: tuple[str, ...] = ()


class Round(Struct, frozen=True):
    """Requests a second, and CPU seconds of one: the API's, and the servers' behind it."""

    rate: float
    api: float
    servers: float


def measure(deployment: Deployment, scale: Scale) -> Result:
    raw: dict[str, list[Round]] = {}
    with deployment.place() as place, _ways(place) as ways:
        statuses = {name: _statuses(ways[name]) for name in ("open", "key", "token")}
        for name, requests in statuses.items():
            _read(requests, ways[name], WARM_UP, place)
        for _ in scale.turns(ROW_SECONDS):
            for name, requests in statuses.items():
                raw.setdefault(f"status {name}", []).append(_read(requests, ways[name], scale.count(STATUSES), place))
        for size in (SMALL, TWO):
            for _ in scale.turns(ROW_SECONDS):
                for name in ("open", "limited"):
                    one = _upload(ways[name], size, scale.count(UPLOADS[size.name]), place)
                    raw.setdefault(f"upload {size.name} {name}", []).append(one)
    rows = [
        _row("status, by key", raw["status key"], raw["status open"], MARKS["key"]),
        _row("status, by token (HS256)", raw["status token"], raw["status open"], MARKS["token"]),
        *(
            _row(
                f"upload of {size.name}, key, limits, quotas",
                raw[f"upload {size.name} limited"],
                raw[f"upload {size.name} open"],
                MARKS["upload"],
            )
            for size in (SMALL, TWO)
        ),
    ]
    notes = [f"{AT_ONCE} at once. CPU: the API's, of one request; ratio: open / this, above 1 this needs less."]
    return Result("doors", "Identity, limits and quotas", deployment.name, COLUMNS, rows, notes, raw)


@contextmanager
def _ways(place: Place) -> Iterator[dict[str, Way]]:
    """The three APIs, ready, and how each is asked."""
    claims = {"iss": BY_TOKEN["JWT_ISSUER"], "aud": BY_TOKEN["JWT_AUDIENCE"], "sub": OWNER, "scope": " ".join(SCOPES)}
    token = jwt.encode({**claims, "iat": int(time.time()), "exp": int(time.time()) + 3600}, SECRET, "HS256", {"typ": "at+jwt"})
    bearers = {"open": None, "key": (key := asyncio.run(_new_key(place))), "token": token, "limited": key}
    with ExitStack() as stack:
        ways = {}
        for name, settings in SETTINGS.items():
            api = stack.enter_context(running_api(replace(place, environment={**place.environment, **settings})))
            ways[name] = Way(api, (f"Authorization: Bearer {bearer}",) if (bearer := bearers[name]) else ())
        yield ways


async def _new_key(place: Place) -> str:
    async with open_repository(settings_of(place.environment)) as repository:
        return (await create_key(repository, "bench", owner=OWNER, scopes=SCOPES))[1]


def _statuses(way: Way) -> fetch.Requests:
    """Statuses of some images of the way's own owner."""
    order = _uploads(way, SMALL, PICTURES)
    images = run("bench.load", order, load.Outcome).images
    return fetch.Requests(
        way.api.port, [get_request(f"/images/{image}/status", way.api.port, *way.head) for image in images], 200
    )


def _uploads(way: Way, size: Size, count: int) -> load.Order:
    upload = load.Upload(picture(size), THUMBNAIL.processing, way.head)
    return load.Order(load.Api(way.api.port), [upload], count, AT_ONCE)


def _read(requests: fetch.Requests, way: Way, count: int, place: Place) -> Round:
    with Sampler(groups_of(place, api=way.api)) as sampler:
        outcome = run("bench.fetch", fetch.Order(requests, None, count, AT_ONCE), fetch.Outcome)
    return _round(sampler.cpu(), outcome.seconds, count)


def _upload(way: Way, size: Size, count: int, place: Place) -> Round:
    with Sampler(groups_of(place, api=way.api)) as sampler:
        outcome = run("bench.load", _uploads(way, size, count), load.Outcome)
    return _round(sampler.cpu(), outcome.seconds, count)


def _round(cpu: dict[str, float], seconds: float, count: int) -> Round:
    return Round(count / seconds, cpu["api"] / count, sum(used for name, used in cpu.items() if name != "api") / count)


def _row(what: str, this: list[Round], open_: list[Round], mark: float) -> list[str]:
    """Ratios are of neighbours in a turn."""
    ratio = median(other.api / one.api for one, other in zip(this, open_, strict=True))
    servers = median(other.servers / one.servers for one, other in zip(this, open_, strict=True) if one.servers)
    return [
        what,
        number([one.rate for one in this], 0),
        number([one.api * 1000 for one in this], 2),
        number([one.api * 1000 for one in open_], 2),
        f"{ratio:.2f}",
        verdict(ratio >= mark, f">= {mark}"),
        f"{servers:.2f}",
    ]
