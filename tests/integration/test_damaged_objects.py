"""Damaged objects, cut or changed in each store: behaviour of downloads, worker and reconcile."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
import uvicorn
from litestar import Litestar, Router
from minio import Minio
from minio.error import S3Error
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from internal.api.routes.downloads import original_bytes, rendition_bytes
from internal.api.schemas import PREFIX
from internal.domain.errors import ObjectUnreadable, StoreUnavailable
from internal.domain.keys import STORE_ID_KEY
from internal.domain.status import Status
from internal.http.middleware.access_log import AccessLog
from internal.http.middleware.methods import Methods
from internal.http.problems import HANDLERS
from internal.identity.authenticator import Authenticator
from internal.identity.links import LinkSigner
from internal.limits.request_rates import RequestRates
from internal.maintenance.reconcile import Comparison, Finding, FindingKind, reconcile
from internal.objectstore.filesystem.folder import Folder
from internal.objectstore.filesystem.store import create_folder, open_filesystem_store
from internal.objectstore.guarded import GuardedStore
from internal.objectstore.identified import IdentifiedStore
from internal.objectstore.s3.store import create_bucket, open_minio_store
from internal.observability import metrics
from internal.ports.object_store import ByteRange, IdentifiableStore, ObjectStore, ObjectStream
from internal.runtime.circuit_breaker import CircuitBreaker
from internal.runtime.settings import BreakerSettings
from tests import pictures
from tests.contract.contents import chunks, read
from tests.integration.service import Service
from tests.services.kinds import S3Service
from tests.services.reachable import free_port
from tests.services.waiting import eventually

MIB = 2**20
LONG = pictures.jpeg() + bytes(3 * MIB)
"""Streamed, where a short one is sent in one piece; what follows a picture's end is nothing to a decoder."""
BOTH = pytest.mark.parametrize("data", [pictures.jpeg(), LONG], ids=["short", "long"])


@pytest.fixture(params=["filesystem", "minio", "rclone"])
async def damaged(request: pytest.FixtureRequest, service: Service, tmp_path: Path) -> AsyncIterator[Service]:
    """The service on this store."""
    async with _opened(request, tmp_path) as store:
        yield service.with_store(store)
        async for stored in store.keys():
            await store.delete(stored.key)


@asynccontextmanager
async def _opened(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[IdentifiableStore]:
    if request.param == "filesystem":
        await create_folder(folder)
        async with open_filesystem_store(folder) as store:
            yield store
        return
    s3: S3Service = request.getfixturevalue("s3" if request.param == "minio" else "rclone")
    settings = s3.settings(f"damaged-{uuid4().hex[:12]}")
    await create_bucket(settings)
    async with open_minio_store(settings) as store:
        yield store
    s3.client().remove_object(settings.bucket, STORE_ID_KEY)
    s3.client().remove_bucket(settings.bucket)


async def change(service: Service, key: str, how: Callable[[bytes], bytes]) -> None:
    await service.store.put(key, chunks(how(await read(service.store, key))), content_type="image/jpeg")


def cut(content: bytes) -> bytes:
    return content[:-7]


def flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@asynccontextmanager
async def served(service: Service) -> AsyncIterator[httpx2.AsyncClient]:
    """The downloads' routes, on a real server."""
    routes = [Router(PREFIX, route_handlers=[original_bytes, rendition_bytes])]
    app = Litestar(routes, exception_handlers=HANDLERS, openapi_config=None, logging_config=None)
    settings = SimpleNamespace(server=SimpleNamespace(cache_control="", public_cache_control=""))
    app.state.services = SimpleNamespace(
        authenticator=Authenticator(),
        links=LinkSigner(),
        request_rates=RequestRates(None),
        repository=service.repository,
        store=service.store,
        settings=settings,
    )
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(AccessLog(Methods(app)), port=port, log_config=None, access_log=False, lifespan="off"))
    server.capture_signals = nullcontext  # type: ignore[assignment,method-assign]  # they are pytest's
    serving = asyncio.create_task(server.serve())
    await eventually(lambda: server.started)
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as http:
            yield http
    finally:
        server.should_exit = True
        await serving


def counted(name: str, *labels: str) -> float:
    families = text_string_to_metric_families(metrics.exposition().decode())
    found = {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}
    return found.get((f"image_processor_{name}", *labels), 0)


def answers() -> dict[str, float]:
    """Count the responses to requests for originals, by status."""
    route = f"{PREFIX}/images/{{image_id}}/original"
    return {status: counted("http_requests_total", "GET", route, status) for status in ("200", "499", "500")}


async def found(service: Service, *, mend: bool = False, reading: bool = False) -> list[Finding]:
    ignored: list[int] = []
    told = ignored.append
    compared = Comparison(service.repository, service.store, 0, mend, told, told, told if reading else None)
    return [finding async for finding in reconcile(compared)]


async def processed(service: Service, data: bytes) -> tuple[UUID, str, str]:
    """Return a processed image, and the keys of its original and its result."""
    image_id = await service.upload(data)
    image = await service.process(image_id)
    result = image.renditions[0].result
    assert result is not None
    return image_id, image.original.key, result.key


@BOTH
async def test_a_cut_object_is_refused_before_the_status(damaged: Service, data: bytes) -> None:
    image_id, original, result = await processed(damaged, data)
    before = counted("damaged_objects_total")
    for key in (original, result):
        await change(damaged, key, cut)

    with capture_logs() as lines:
        async with served(damaged) as http:
            for path, ranges in (("/original", ""), ("/original", "bytes=0-9"), ("/original", "bytes=-3"), ("", "")):
                answer = await http.get(f"{PREFIX}/images/{image_id}{path}", headers={"range": ranges} if ranges else {})
                assert (answer.status_code, answer.json()["code"]) == (500, "object_lost")
                assert answer.headers["content-type"] == "application/problem+json"

    assert counted("damaged_objects_total") == before + 4
    told = [line for line in lines if line["event"] == "object.damaged"]
    assert [(line["log_level"], line["key"]) for line in told] == [("error", original)] * 3 + [("error", result)]
    assert (told[0]["size"], told[0]["expected"]) == (len(data) - 7, len(data))


async def test_a_cut_object_is_found_by_its_size(damaged: Service) -> None:
    image_id, original, result = await processed(damaged, pictures.jpeg())
    assert await found(damaged) == []
    size = (await damaged.store.stat(result)).size
    await change(damaged, result, cut)
    detail = f"It has {size - 7:,} bytes and should have {size:,}."

    assert await found(damaged) == [Finding(FindingKind.DAMAGED_RENDITION, result, False, image_id, "default", detail)]
    assert await found(damaged, mend=True) == [Finding(FindingKind.DAMAGED_RENDITION, result, True, image_id, "default", detail)]

    await damaged.process(image_id)
    assert await found(damaged) == []
    await change(damaged, original, cut)
    size = len(pictures.jpeg())
    detail = f"It has {size - 7:,} bytes and should have {size:,}."
    assert await found(damaged, mend=True) == [Finding(FindingKind.DAMAGED_ORIGINAL, original, False, image_id, None, detail)]


@BOTH
async def test_a_flipped_bit_is_found_by_reading(damaged: Service, data: bytes) -> None:
    image_id, original, result = await processed(damaged, data)
    assert await found(damaged, reading=True) == []
    for key in (original, result):
        await change(damaged, key, flip)
    detail = "Its bytes are not those that were stored: the SHA-256 differs."

    assert await found(damaged) == []  # without reading nobody knows
    assert await found(damaged, mend=True, reading=True) == [
        Finding(FindingKind.DAMAGED_ORIGINAL, original, False, image_id, None, detail),
        Finding(FindingKind.DAMAGED_RENDITION, result, False, image_id, "default", detail),  # of that original it would only fail
    ]
    await change(damaged, original, flip)
    assert await found(damaged, mend=True, reading=True) == [
        Finding(FindingKind.DAMAGED_RENDITION, result, True, image_id, "default", detail)
    ]
    await damaged.process(image_id)
    assert await found(damaged, reading=True) == []


async def test_a_second_file_is_compared_too(damaged: Service) -> None:
    image_id = await damaged.upload(pictures.jpeg(), "resize:9x9|format:auto")
    [second] = (await damaged.process(image_id)).renditions[0].alternatives
    assert await found(damaged, reading=True) == []
    await change(damaged, second.key, flip)

    [finding] = await found(damaged, reading=True)

    assert (finding.kind, finding.key) == (FindingKind.DAMAGED_RENDITION, second.key)


@pytest.mark.parametrize(("how", "told"), [(cut, "The stored original has {} bytes; {} were uploaded."), (flip, "checksum")])
async def test_a_worker_says_what_is_wrong_with_an_original(damaged: Service, how: Callable[[bytes], bytes], told: str) -> None:
    data = pictures.jpeg()
    image_id = await damaged.upload(data)
    await change(damaged, f"originals/{image_id}", how)

    for _ in range(damaged.worker.timings.max_attempts):
        await damaged.make_due(image_id)
        await damaged.process(image_id)

    rendition = await damaged.rendition(image_id)
    assert rendition.failure is not None
    assert (rendition.status, rendition.failure.code) == (Status.FAILED, "original_damaged")
    assert told.format(f"{len(data) - 7:,}", f"{len(data):,}") in rendition.failure.detail


class Failing:
    """A real store in which the object `key` breaks off after its first block, or can't be opened."""

    def __init__(self, store: ObjectStore, key: str, *, after_blocks: int) -> None:
        self._store, self._key, self._after = store, key, after_blocks
        self.stat, self.keys, self.put, self.delete, self.check = store.stat, store.keys, store.put, store.delete, store.check

    @asynccontextmanager
    async def get(self, key: str, byte_range: ByteRange | None = None) -> AsyncIterator[ObjectStream]:
        async with self._store.get(key, byte_range) as stream:
            if key == self._key and not self._after:
                raise StoreUnavailable
            yield ObjectStream(stream.size, self._broken(stream.chunks) if key == self._key else stream.chunks)

    async def _broken(self, content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        for _ in range(self._after):
            yield await anext(content)
        raise StoreUnavailable


@pytest.mark.parametrize("after_blocks", [0, 1])
async def test_an_object_that_can_not_be_read_is_one_finding_and_ends_nothing(service: Service, after_blocks: int) -> None:
    """A store with one damaged object refuses that one, and serves the others."""
    broken, original, _ = await processed(service, LONG)
    _, other, _ = await processed(service, pictures.jpeg())
    await change(service, other, flip)
    failing = service.with_store(Failing(service.store, original, after_blocks=after_blocks))

    told = await found(failing, reading=True)

    assert [(finding.key, finding.kind) for finding in told] == [
        (original, FindingKind.DAMAGED_ORIGINAL),
        (other, FindingKind.DAMAGED_ORIGINAL),
    ]
    assert told[0] == Finding(
        FindingKind.DAMAGED_ORIGINAL, original, False, broken, None, "The store answers, but can't read it."
    )


async def test_reading_ends_with_an_outage_of_the_store(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    _, original, _ = await processed(service, LONG)
    failing = Failing(service.store, original, after_blocks=1)

    async def down() -> None:
        raise StoreUnavailable

    monkeypatch.setattr(failing, "check", down)
    with pytest.raises(StoreUnavailable):
        await found(service.with_store(failing), reading=True)


async def test_a_body_that_breaks_off_closes_the_connection_and_is_no_200(service: Service) -> None:
    image_id, original, _ = await processed(service, LONG)
    before = answers()
    broken_off = counted("downloads_broken_off_total")

    failing = service.with_store(Failing(service.store, original, after_blocks=2))
    with capture_logs() as lines:
        async with served(failing) as http, http.stream("GET", f"{PREFIX}/images/{image_id}/original") as answer:
            assert (answer.status_code, answer.headers["content-length"]) == (200, str(len(LONG)))
            with pytest.raises(httpx2.RemoteProtocolError):
                await answer.aread()
        await eventually(lambda: any(line["event"] == "request" for line in lines))

    [line] = [line for line in lines if line["event"] == "request"]
    assert (line["status"], line["sent_status"], line["problem"], line["log_level"]) == (500, 200, "broken_off", "warning")
    assert line["bytes_out"] == 2 * MIB
    assert answers() == {**before, "500": before["500"] + 1}
    assert counted("downloads_broken_off_total") == broken_off + 1


async def test_a_client_that_hangs_up_in_the_middle_is_no_200_either(service: Service) -> None:
    data = pictures.jpeg() + bytes(7 * MIB)  # more than the buffers of a socket take
    image_id, _, _ = await processed(service, data)
    before = answers()

    with capture_logs() as lines:
        async with served(service) as http:
            async with http.stream("GET", f"{PREFIX}/images/{image_id}/original") as answer:
                await anext(answer.aiter_raw())
            await eventually(lambda: any(line["event"] == "request" for line in lines))

    assert answers() == {**before, "499": before["499"] + 1}


@pytest.fixture(params=["filesystem", "minio"])
async def identified(request: pytest.FixtureRequest, service: Service, tmp_path: Path) -> AsyncIterator[Service]:
    """The service on a store as in a process: with an id, and behind circuit breakers."""
    store_id = uuid4()

    async def expected() -> UUID:
        return store_id

    settings = BreakerSettings(failures=2, seconds=60)
    async with _opened(request, tmp_path) as store:
        await store.write_id(store_id)
        breakers = [CircuitBreaker(name, StoreUnavailable, settings) for name in ("reading", "writing")]
        yield service.with_store(GuardedStore(IdentifiedStore(store, expected), *breakers))
        async for stored in store.keys():
            await store.delete(stored.key)


def rot(monkeypatch: pytest.MonkeyPatch, *keys: str) -> None:
    """Errors of a damaged disk: EIO from a file, and MinIO's response (RELEASE.2025-09-07) for an object with damaged bytes."""
    get_object, open_, os_open = Minio.get_object, Path.open, os.open

    def from_bucket(client: Minio, bucket: str, name: str, *more: Any, **named: Any) -> Any:
        if name in keys:
            raise S3Error(None, "SlowDownRead", "Resource requested is unreadable", name, "", "", bucket, name)  # type: ignore[arg-type]
        return get_object(client, bucket, name, *more, **named)

    def from_folder(open_it: Callable[..., Any], path: Path, *more: Any, **named: Any) -> Any:
        if Path(path).name in {key.rpartition("/")[2] for key in keys}:
            raise OSError(errno.EIO, "Input/output error")
        return open_it(path, *more, **named)

    monkeypatch.setattr(Minio, "get_object", from_bucket)
    monkeypatch.setattr(Path, "open", lambda path, *more, **named: from_folder(open_, path, *more, **named))
    monkeypatch.setattr(os, "open", partial(from_folder, os_open))


async def test_an_unreadable_object_stops_no_other(identified: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    _, rotten, _ = await processed(identified, pictures.jpeg())
    _, sound, _ = await processed(identified, pictures.jpeg())
    before = counted("unreadable_objects_total")
    rot(monkeypatch, rotten)

    with capture_logs() as lines:
        for _ in range(5):
            with pytest.raises(ObjectUnreadable):
                await read(identified.store, rotten)

    assert await read(identified.store, sound) == pictures.jpeg()
    assert counted("unreadable_objects_total") == before + 5
    assert [(line["event"], line["log_level"], line["key"]) for line in lines] == [("object.unreadable", "error", rotten)] * 5
    assert [(finding.key, finding.kind) for finding in await found(identified, reading=True)] == [
        (rotten, FindingKind.DAMAGED_ORIGINAL)
    ]


def _pipe(place: Path) -> None:
    os.mkfifo(place)


def _loop(place: Path) -> None:
    place.symlink_to(place)


def _no_shard(place: Path) -> None:
    place.parent.rmdir()
    place.parent.touch()


@pytest.mark.parametrize("identified", ["filesystem"], indirect=True)
@pytest.mark.parametrize("put", [Path.mkdir, _pipe, _loop, _no_shard])
async def test_a_pipe_in_an_objects_place_stops_no_other(
    identified: Service, tmp_path: Path, put: Callable[[Path], None]
) -> None:
    _, spoiled, _ = await processed(identified, pictures.jpeg())
    _, sound, _ = await processed(identified, pictures.jpeg())
    place = Folder(tmp_path).path(spoiled)
    for file in place.parent.iterdir():
        file.unlink()
    put(place)
    try:
        for _ in range(3):  # two outages open the circuit
            async with asyncio.timeout(10):
                with pytest.raises(ObjectUnreadable):
                    await read(identified.store, spoiled)

        assert await read(identified.store, sound) == pictures.jpeg()
        assert [(finding.key, finding.kind) for finding in await found(identified, reading=True)] == [
            (spoiled, FindingKind.DAMAGED_ORIGINAL)
        ]
    finally:
        spoilt = place.parent if place.parent.is_file() else place
        spoilt.rmdir() if put is Path.mkdir else spoilt.unlink()


async def test_a_store_that_can_read_nothing_is_an_outage(identified: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    _, original, _ = await processed(identified, pictures.jpeg())
    rot(monkeypatch, original, STORE_ID_KEY)
    for _ in range(3):  # two open the circuit
        with pytest.raises(StoreUnavailable) as outage:
            await read(identified.store, original)
        assert not isinstance(outage.value, ObjectUnreadable)
    monkeypatch.undo()

    with pytest.raises(StoreUnavailable):
        await read(identified.store, original)
