"""The core on a real PostgreSQL, a folder as its store and real decoders, driven step by step: a test decides who is late."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from internal.domain.identity import ANONYMOUS, Reader
from internal.domain.image import Image, ListFilter
from internal.domain.message import NO_REQUEST, MessageContext
from internal.domain.rendition import Claim, Lane, Rendition
from internal.domain.tasks import Task
from internal.intake.idempotency import IdempotencyKey, with_idempotency_lock
from internal.intake.multipart import ROUTE, MultipartDoor, UploadForm
from internal.intake.options import UploadOptions
from internal.intake.rendition_request import parse_rendition
from internal.intake.upload import time_limit
from internal.library.delete import delete_image
from internal.library.lookup import find_image
from internal.library.renditions import AddedRendition, add_rendition
from internal.limits.upload_rates import UNLIMITED, UploadMeter
from internal.maintenance.gc import collect_garbage
from internal.ports.object_store import ObjectStore
from internal.ports.repository.repository import Tables
from internal.postgres.pool import PooledSession
from internal.rendering.attempt import AttemptResult
from internal.rendering.task import TaskProcessor
from internal.rendering.transitions import Origin
from internal.worker.dispatch import Handler, HandlerPorts, create_handlers

EVERYTHING = ListFilter()

OWNER = Reader(ANONYMOUS)

ORIGIN = Origin("test/0/1", {"x-request-id": "test"}, b"{}")


class FormAtHand:
    """A form whose bytes and options are at hand. `broken` is raised when its bytes have all come."""

    least_bytes = 0

    def __init__(self, data: bytes, options: UploadOptions, *, chunk: int = 65536, broken: Exception | None = None) -> None:
        self._data, self._options, self._chunk, self._broken = data, options, chunk, broken

    async def content(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._data), self._chunk):
            yield self._data[start : start + self._chunk]
        if self._broken:
            raise self._broken

    def options(self) -> UploadOptions:
        return self._options


class Service:
    """What tests do with the core. `session` reads and bends the tables behind its back."""

    def __init__(self, door: MultipartDoor, worker: TaskProcessor, session: PooledSession) -> None:
        self.door, self.worker, self.session = door, worker, session
        self.repository, self.store, self.policy = door.repository, door.store, door.policy

    def with_worker(self, **changes: object) -> "Service":
        """The same service, whose worker has other ports or other timings."""
        return Service(self.door, msgspec.structs.replace(self.worker, **changes), self.session)

    def with_store(self, store: ObjectStore) -> "Service":
        """The same service on another store."""
        door = msgspec.structs.replace(self.door, store=store)
        return Service(door, msgspec.structs.replace(self.worker, store=store), self.session)

    async def upload(
        self,
        data: bytes,
        processing: str | None = "resize:32x32",
        *,
        key: str | None = None,
        broken: Exception | None = None,
        cause: MessageContext = NO_REQUEST,
        **options: Any,
    ) -> UUID:
        """Accept a form and return the image's id."""
        parts = UploadOptions(filename="picture.jpg", processing=processing, **options)
        return await self.accept(FormAtHand(data, parts, broken=broken), key=key, cause=cause)

    async def accept(
        self,
        form: UploadForm,
        *,
        key: str | None = None,
        cause: MessageContext = NO_REQUEST,
        seconds: float = 3600,
        meter: UploadMeter = UNLIMITED,
        render: Callable[[Image], bytes] = lambda image: image.id.bytes,
    ) -> UUID:
        """Accept a form as the API does, and return the image's id."""
        locked = IdempotencyKey(ANONYMOUS, ROUTE, key, self.policy.intent_seconds) if key else None
        accept = partial(self.door.accept, ANONYMOUS, form, cause, meter=meter)
        identify = partial(self.door.identify, form)
        async with time_limit(seconds):
            return UUID(bytes=await with_idempotency_lock(self.repository, locked, accept, identify, render))

    async def ask(
        self, work: Tables, image_id: UUID, name: str, processing: str, context: MessageContext = NO_REQUEST
    ) -> AddedRendition:
        """Ask for one more rendition, in the transaction `work`."""
        request = parse_rendition(name, processing, self.policy)
        return await add_rendition(work, self.policy, ANONYMOUS, image_id, request, context)

    async def image(self, image_id: UUID) -> Image:
        return await find_image(self.repository, ANONYMOUS, image_id)

    async def page(self, wanted: ListFilter = EVERYTHING) -> list[Image]:
        """One page of a list in which nothing is pending."""
        return [image for image in await self.repository.images.page(ANONYMOUS, wanted) if isinstance(image, Image)]

    async def rendition(self, image_id: UUID, name: str = "default") -> Rendition:
        rendition = (await self.image(image_id)).rendition(name)
        assert rendition is not None
        return rendition

    async def claim(self, image_id: UUID, lane: Lane = Lane.FAST) -> Claim:
        claim = await self.worker.transitions.claim(Task(image_id, lane))
        assert claim is not None
        return claim

    async def make(self, claim: Claim) -> AttemptResult:
        """Render and store an attempt's result, but publish nothing."""
        with self.worker.open_workspace() as workspace:
            return await self.worker.run_attempt(claim, workspace)

    async def publish(self, claim: Claim, made: AttemptResult) -> None:
        await self.worker.transitions.complete_rendition(claim, made)

    async def process(self, image_id: UUID, lane: Lane = Lane.FAST) -> Image:
        """Do the image's task to its end, as a worker would whose turn it is."""
        await self.session.run(
            "UPDATE renditions SET start_tag = 0 WHERE image_id = %(id)s AND start_tag IS NOT NULL", {"id": image_id}
        )
        await self.worker.process(Task(image_id, lane), ORIGIN)
        return await self.image(image_id)

    def handlers(self) -> dict[str, Handler]:
        """The worker's message handlers."""
        return create_handlers(HandlerPorts(self.repository, self.store, self.worker))

    async def collect_garbage(self) -> int:
        overdue_seconds = self.worker.timings.sweep_seconds
        return await collect_garbage(self.worker.repository, self.worker.store, overdue_seconds=overdue_seconds)

    async def delete(self, image_id: UUID) -> None:
        await delete_image(self.repository, ANONYMOUS, image_id)

    async def let_lease_run_out(self, claim: Claim) -> None:
        await self.session.run(
            "UPDATE renditions SET lease_until = now() - interval '1 s' WHERE id = %(id)s", {"id": claim.rendition_id}
        )

    async def make_due(self, image_id: UUID) -> None:
        await self.session.run("UPDATE renditions SET due_at = now() WHERE image_id = %(id)s", {"id": image_id})

    async def keys(self) -> set[str]:
        objects = self.store.keys()
        return {stored.key async for stored in objects}

    async def listed(self) -> set[str]:
        """Keys that are listed for removal."""
        return {row["key"] for row in await self.session.rows("SELECT key FROM unreferenced_objects")}

    async def count(self, table: str) -> int:
        rows = await self.session.rows(f"SELECT count(*) AS n FROM {table}")
        return int(rows[0]["n"])

    async def event_types(self, image_id: UUID) -> list[str]:
        return [event.type.value for event in await self.repository.events.of(image_id)]

    async def tidy(self) -> None:
        """Leave nothing behind."""
        await self.session.run(
            "TRUNCATE images, renditions, outbox, unreferenced_objects, events, idempotency_keys, dead_letters, queue_messages,"
            " chore_leases, store_identity, uploads, upload_buckets, api_keys, audit_entries, owners, owner_usage, usage_changes"
        )
        for left in await self.keys():
            await self.store.delete(left)


@contextlib.asynccontextmanager
async def cancelled_at_end(task: asyncio.Task[object]) -> AsyncIterator[None]:
    """Cancel `task`, and wait for its end, when the block ends."""
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
