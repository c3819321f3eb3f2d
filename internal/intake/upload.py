"""Accepting an upload: the picture's bytes go into the store while they are read, and all of it counts only in one commit."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from uuid import UUID

import msgspec
from msgspec import Struct

from internal.domain.errors import DeadlinePassed, RequestTimeout, ServiceError, StoreUnavailable, Unavailable
from internal.domain.events import Event, EventType, new_event
from internal.domain.ids import new_id
from internal.domain.image import Image, Original
from internal.domain.keys import original_key
from internal.domain.message import NO_REQUEST, MessageContext
from internal.domain.status import Status
from internal.domain.tasks import CHANNEL, task_message
from internal.intake.idempotency import Reservation, Slip, fingerprint, reserved
from internal.intake.inspect import Inspection
from internal.intake.options import UploadSource, parse_chains
from internal.intake.ports import Ports
from internal.intake.rendition_request import Chains, check_references, rendition_of
from internal.observability import metrics
from internal.ports.repository.repository import Tables
from internal.runtime.failpoints import failpoint

ROUTE = "POST /images"


class Context(Struct, frozen=True):
    """Whose upload it is and how it is answered: `answer` makes the response's bytes from the image. Tasks carry `cause`."""

    owner: str
    idempotency_key: str | None
    timeout_seconds: float
    answer: Callable[[Image], bytes]
    cause: MessageContext = NO_REQUEST


async def accept_upload(incoming: UploadSource, ports: Ports, context: Context) -> bytes:
    """Keep an upload and ask for its renditions; returns the answer, or the stored answer of the same request.

    Raises the errors of the picture and of the request, RequestTimeout after `context.timeout_seconds`, StoreUnavailable and
    DatabaseUnavailable; then nothing is kept: no row, no object. The exception is a time or a connection that ends in the middle
    of the commit: then only the same request with the same idempotency key tells.
    """
    slip = Slip(context.owner, ROUTE, context.idempotency_key, ports.rules.intent_seconds)
    async with reserved(ports.repository, slip) as reservation:
        try:
            async with asyncio.timeout(context.timeout_seconds):
                inspection = Inspection(incoming.content(), ports.rules)
                await inspection.read_head()
                if reservation and reservation.stored:
                    return await _replay(incoming, inspection, ports, reservation)
                return await _keep(incoming, inspection, ports, context, reservation)
        except TimeoutError as error:
            raise RequestTimeout from error


async def _replay(incoming: UploadSource, inspection: Inspection, ports: Ports, reservation: Reservation) -> bytes:
    """Read the request without keeping it, to tell whether it is the one that was answered."""
    async for _ in inspection.chunks():
        pass
    return reservation.replay(_fingerprint(inspection.original("", None), parse_chains(incoming.requested(), ports), incoming))


def _fingerprint(original: Original, chains: Chains, incoming: UploadSource) -> str:
    canonical = {name: chain.canonical for name, (_, chain) in chains.items()}
    return fingerprint(original.sha256, canonical, incoming.requested().metadata.value)


async def _keep(
    incoming: UploadSource, inspection: Inspection, ports: Ports, context: Context, reservation: Reservation | None
) -> bytes:
    """The write order of G4.

    INVARIANT: at no moment is an object neither referred to nor listed for removal
    (tests/integration/test_upload.py::test_a_failed_commit_leaves_the_object_listed).
    """
    image_id = new_id()
    key = original_key(image_id)
    await ports.repository.pending_objects.reserve(key, seconds=ports.rules.intent_seconds)  # 1 listed for removal
    failpoint("after-intent")
    chains = await _store(key, incoming, inspection, ports, context, reservation)  # 2 stored
    failpoint("after-put")
    original = inspection.original(key, incoming.requested().filename)
    image = _image(image_id, context.owner, original, chains, incoming, ports)
    try:
        answer = await _commit(image, ports, context, reservation, _fingerprint(original, chains, incoming))  # 3 referred to
    except Unavailable as error:
        if isinstance(error, DeadlinePassed):
            await ports.repository.pending_objects.mark([key])  # 4 or listed again: the sweep may have been there before us
        raise
    except ServiceError:  # refused; any other error may come after the commit, and must not cost the picture
        await _clear(key, ports)
        raise
    failpoint("after-commit")
    metrics.UPLOAD_BYTES.observe(original.size)
    return answer


async def _store(
    key: str, incoming: UploadSource, inspection: Inspection, ports: Ports, context: Context, reservation: Reservation | None
) -> Chains:
    """Put the bytes as they come. The request's other parts are checked before the store counts the object as complete."""
    chains: Chains = {}

    async def content() -> AsyncIterator[bytes]:
        async for chunk in _extending(inspection.chunks(), key, ports, reservation):
            yield chunk
        chains.update(parse_chains(incoming.requested(), ports))
        await check_references(chains, ports.repository, context.owner)

    try:
        await ports.store.put(key, content(), content_type=inspection.media_type)
    except StoreUnavailable:
        raise  # who knows what it has: the key stays listed
    except asyncio.CancelledError:
        await asyncio.shield(_delete(key, ports))  # and listed it stays: the put that was cut off may still arrive
        raise
    except BaseException:
        await asyncio.shield(_clear(key, ports))
        raise
    return chains


async def _delete(key: str, ports: Ports) -> None:
    with contextlib.suppress(StoreUnavailable):
        await ports.store.delete(key)


async def _clear(key: str, ports: Ports) -> None:
    """Delete what a refused upload may have left, then forget its key; what can't be deleted now stays listed for the sweep."""
    with contextlib.suppress(ServiceError):
        await ports.store.delete(key)
        await ports.repository.pending_objects.unmark(key)


async def _extending(
    chunks: AsyncIterator[bytes], key: str, ports: Ports, reservation: Reservation | None
) -> AsyncIterator[bytes]:
    """Pass the bytes on; as long as they come, the key's deadline and the reservation's lease move with them."""
    extended = time.monotonic()
    async for chunk in chunks:
        if time.monotonic() - extended > ports.rules.intent_seconds / 4:
            await ports.repository.pending_objects.reserve(key, seconds=ports.rules.intent_seconds)
            if reservation:
                await reservation.extend(ports.repository)
            extended = time.monotonic()
        yield chunk


def _image(image_id: UUID, owner: str, original: Original, chains: Chains, incoming: UploadSource, ports: Ports) -> Image:
    now = datetime.now(UTC)  # until the row is written: then it is the database's
    return Image(
        id=image_id,
        owner=owner,
        status=Status.UPLOADED,
        original=original,
        metadata=incoming.requested().metadata.text,
        created_at=now,
        updated_at=now,
        renditions=tuple(
            rendition_of(image_id, name, asked, chain, original, ports.rules) for name, (asked, chain) in chains.items()
        ),
    )


async def _commit(image: Image, ports: Ports, context: Context, reservation: Reservation | None, mark: str) -> bytes:
    """The image, its renditions, its tasks, its event and the answer, or nothing (G1); the key is off the list with it."""
    if reservation is None:
        failpoint("before-commit")
        return await _add(image, ports.repository, context)
    async with ports.repository.transaction() as work:
        answer = await _add(image, work, context)
        await reservation.complete(work, mark, answer)
        failpoint("before-commit")
    return answer


async def _add(image: Image, tables: Tables, context: Context) -> bytes:
    lanes = sorted({rendition.lane for rendition in image.renditions})
    tasks = [(CHANNEL[lane], task_message(image.id, lane, context.cause)) for lane in lanes]
    created_at = await tables.images.add(image, tasks, _uploaded(image))
    return context.answer(msgspec.structs.replace(image, created_at=created_at, updated_at=created_at))


def _uploaded(image: Image) -> Event:
    names = [rendition.name for rendition in image.renditions]
    facts = {"size": image.original.size, "content_type": image.original.media_type, "renditions": names}
    return new_event(EventType.IMAGE_UPLOADED, image.id, image.owner, **facts)
