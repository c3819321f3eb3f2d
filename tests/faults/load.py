"""Bounded load from clients that record each upload with its response, its time, or its error."""

import asyncio
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from uuid import uuid4

import httpx2
from msgspec import Struct

from tests import pictures
from tests.e2e.deployment import IMAGES, SOON_CLOSED
from tests.faults.rules import Told

AT_ONCE = 8
PATIENCE_SECONDS = 60.0
RETRY_SECONDS = 0.1
RENDITIONS = {"small": "resize:64x64", "grey": "resize:200x200|grayscale"}


@cache
def picture() -> bytes:
    """What takes a decoder some 20 ms."""
    return pictures.photo_jpeg(800, 600)


class Sent(Struct, frozen=True):
    """One request of an upload. `started` is time.monotonic(); `status` is 0, and `error` set, when no answer came."""

    started: float
    seconds: float
    status: int
    id: str | None = None
    error: str | None = None


class Load:
    """Clients of `addresses()`, which take turns. Every second upload, the first too, asks for two renditions; or all of them
    for one that is made by `processing`.

    A `stubborn` client sends an upload again, with the same Idempotency-Key, until it is accepted. `key`: the API key of all.
    """

    def __init__(
        self, addresses: Callable[[], Sequence[str]], *, stubborn: bool = False, processing: str | None = None, key: str = ""
    ) -> None:
        self._addresses = addresses
        self._credential = {"authorization": f"Bearer {key}"} if key else {}
        self._stubborn = stubborn
        self._processing = processing
        self._asked = itertools.count()
        self._turn = itertools.count()
        self._ended = threading.Event()
        self.sent: list[Sent] = []
        self.deleted: set[str] = set()
        self.doubtful: set[str] = set()
        self.reopened: set[str] = set()

    @property
    def accepted(self) -> list[str]:
        """The ids that were acknowledged, in the order of their answers."""
        return [sent.id for sent in self.sent if sent.id]

    @property
    def refused(self) -> list[Sent]:
        return [sent for sent in self.sent if sent.id is None]

    def told(self, bad: Iterable[str] = ()) -> Told:
        """For the checker. `bad`: the ids whose pictures may fail, by who knows what was uploaded."""
        return Told(
            frozenset(self.accepted),
            frozenset(self.deleted),
            frozenset(self.doubtful),
            frozenset(self.reopened),
            bad=frozenset(bad),
        )

    @contextmanager
    def uploading(
        self, uploads: int, *, at_once: int = AT_ONCE, data: bytes | None = None, per_second: float = 1e6
    ) -> Iterator[None]:
        """Upload in the background while the block runs; leaving waits for the last answer. An error of the block ends it."""
        self._ended.clear()
        with ThreadPoolExecutor(1) as thread:
            work = thread.submit(lambda: asyncio.run(self._upload_all(uploads, at_once, data or picture(), 1 / per_second)))
            try:
                yield
            except BaseException:
                self._ended.set()
                raise
            work.result()

    def stop(self) -> None:
        """Let what is uploading in the background end with what is on its way."""
        self._ended.set()

    def upload(self, uploads: int = 1, *, at_once: int = AT_ONCE, data: bytes | None = None) -> None:
        """Upload, and wait for the answers."""
        with self.uploading(uploads, at_once=at_once, data=data):
            pass

    def delete(self, id_: str) -> int:
        """The status, 0 when no answer came: then, and when it is 503, it may be gone or not."""
        try:
            url = f"{self._addresses()[0]}{IMAGES}/{id_}"
            response = httpx2.delete(url, headers=self._credential, timeout=30, trust_env=False)
        except httpx2.TransportError:
            self.doubtful.add(id_)
            return 0
        if response.status_code == 200:
            self.deleted.add(id_)
        elif response.status_code == 503:
            self.doubtful.add(id_)
        return response.status_code

    def ask_for_more(self, id_: str) -> None:
        """One more rendition of an image; whatever the answer, it may have been asked for."""
        self.reopened.add(id_)
        wish = {"name": f"more-{uuid4().hex[:8]}", "processing": "resize:80x80|flip"}
        with suppress(httpx2.TransportError):
            url = f"{self._addresses()[0]}{IMAGES}/{id_}/renditions"
            httpx2.post(url, json=wish, headers=self._credential, timeout=30, trust_env=False)

    async def _upload_all(self, uploads: int, at_once: int, data: bytes, every_seconds: float) -> None:
        places = asyncio.Semaphore(at_once)
        async with httpx2.AsyncClient(timeout=120, trust_env=False, limits=SOON_CLOSED) as client, asyncio.TaskGroup() as group:
            for _ in range(uploads):
                if self._ended.is_set():
                    break
                await places.acquire()
                task = group.create_task(self._upload(client, data))
                task.add_done_callback(lambda _: places.release())
                await asyncio.sleep(every_seconds)

    async def _upload(self, client: httpx2.AsyncClient, data: bytes) -> None:
        wishes = self._wishes()
        headers = self._credential | ({"Idempotency-Key": uuid4().hex} if self._stubborn else {})
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._ended.is_set():
            sent = await self._post(client, data, wishes, headers)
            self.sent.append(sent)
            if sent.id or not self._stubborn or time.monotonic() > deadline:
                return
            await asyncio.sleep(RETRY_SECONDS)

    def _wishes(self) -> dict[str, str]:
        if self._processing or next(self._asked) % 2:
            return {"processing": self._processing or "resize:100x100"}
        return {"renditions": json.dumps(RENDITIONS)}

    async def _post(self, client: httpx2.AsyncClient, data: bytes, wishes: dict[str, str], headers: dict[str, str]) -> Sent:
        addresses = self._addresses()
        began = time.monotonic()
        if not addresses:
            return Sent(began, 0, 0, error="no API runs")
        url = f"{addresses[next(self._turn) % len(addresses)]}{IMAGES}"
        try:
            response = await client.post(url, files={"image": ("picture.jpg", data)}, data=wishes, headers=headers)
        except httpx2.TransportError as error:
            return Sent(began, time.monotonic() - began, 0, error=repr(error))
        id_ = response.json()["id"] if response.status_code == 201 else None
        return Sent(began, time.monotonic() - began, response.status_code, id=id_, error=None if id_ else response.text)
