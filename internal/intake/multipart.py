"""The multipart door: one request brings the picture and its options, in any order.

The upload has no row. Its request holds it, and its key is listed for garbage collection while the bytes come: for a form,
`prepare` and `complete` are one statement.
"""

from collections.abc import AsyncIterator
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from internal.domain.errors import ServiceError, Unavailable
from internal.domain.image import Image, Original
from internal.domain.message import MessageContext
from internal.domain.upload import ParsedOptions, Upload, UploadKind
from internal.intake.idempotency import IdempotencyLock, Identity
from internal.intake.inspect import Inspection
from internal.intake.options import UploadOptions, parse_options
from internal.intake.policy import UploadPolicy
from internal.intake.rendition_request import check_references
from internal.intake.upload import complete, discard, listed_unless_committed, new_upload, receive
from internal.limits.quotas import EarlyQuotaCheck
from internal.limits.upload_rates import UNLIMITED, UploadMeter
from internal.observability import metrics
from internal.ports.object_store import ObjectStore
from internal.ports.repository.repository import Repository
from internal.runtime.failpoints import failpoint

ROUTE = "POST /images"

Lock = IdempotencyLock[Image] | None


class UploadForm(Protocol):
    """A form that is being received."""

    def content(self) -> AsyncIterator[bytes]:
        """The picture's bytes, once. Ends when the whole form has been read; raises what is wrong with it."""

    def options(self) -> UploadOptions:
        """The form's other parts; known when `content` has ended."""

    @property
    def least_bytes(self) -> int:
        """Bytes that the picture has at least, by what the request announces; 0 if it does not say."""


class MultipartDoor(Struct, frozen=True):
    """Takes uploads that come as forms. `quotas` refuses some of them before their body is read."""

    repository: Repository
    store: ObjectStore
    policy: UploadPolicy
    quotas: EarlyQuotaCheck | None = None

    async def accept(
        self, owner: str, form: UploadForm, context: MessageContext, lock: Lock, meter: UploadMeter = UNLIMITED
    ) -> Image:
        """Keep the picture and ask for its renditions; an idempotency lock is completed with it.

        Raises the errors of the picture and of the form, RateLimited, QuotaExceeded, StoreUnavailable and DatabaseUnavailable;
        then nothing is kept: no row, no object. The exception is a connection or a time that ends in the middle of the commit:
        only the same request with the same Idempotency-Key tells then.
        """
        if self.quotas is not None:
            await self.quotas.check(owner, form.least_bytes)
        source = _FormSource(form, owner, self, lock)
        upload = new_upload(owner, UploadKind.MULTIPART, ParsedOptions())
        original = await receive(upload, source, self.repository, self.store, self.policy, meter)
        upload = replace(upload, options=source.options)
        try:
            async with listed_unless_committed(original.key, self.repository):
                image = await self._commit(upload, original, form, context, lock)
        except Unavailable:
            raise  # the commit may have happened: the key stays listed, or is referred to
        except ServiceError:  # refused; any other error may come after the commit, and must not cost the picture
            await discard(upload, self.repository, self.store)
            raise
        failpoint("after-commit")
        metrics.UPLOAD_BYTES.observe(original.size)
        return image

    async def identify(self, form: UploadForm) -> Identity:
        """Read the form without keeping it, to tell whether it is a request that was answered before."""
        inspection = Inspection(form.content(), self.policy)
        await inspection.read_head()
        async for _ in inspection.chunks():
            pass
        return _identity(inspection.original(""), parse_options(form.options(), self.policy), form)

    async def _commit(self, upload: Upload, original: Original, form: UploadForm, context: MessageContext, lock: Lock) -> Image:
        """One statement; with a key, one transaction that stores the answer too."""
        if lock is None:
            failpoint("before-commit")
            return await complete(self.repository, upload, original, self.policy, context)
        async with self.repository.transaction() as work:
            image = await complete(work, upload, original, self.policy, context)
            await lock.complete(work, _identity(original, upload.options, form), image)
            failpoint("before-commit")
        return image


def _identity(original: Original, options: ParsedOptions, form: UploadForm) -> Identity:
    chains = {request.name: request.pipeline for request in options.renditions}
    return original.sha256, chains, form.options().metadata.value


class _FormSource:
    """A form as `receive` reads it: `internal.intake.upload.UploadSource`."""

    def __init__(self, form: UploadForm, owner: str, door: MultipartDoor, lock: Lock) -> None:
        self._form, self._owner, self._door, self._lock = form, owner, door, lock
        self.options = ParsedOptions()

    def content(self) -> AsyncIterator[bytes]:
        return self._form.content()

    async def finish(self) -> None:
        """Parse and check the options: the last part may have brought them."""
        self.options = parse_options(self._form.options(), self._door.policy)
        await check_references(self.options.renditions, self._door.repository, self._owner)

    async def extend(self) -> None:
        if self._lock:
            await self._lock.extend(self._door.repository)
