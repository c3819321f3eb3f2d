"""Every failure that has a name.

An error's `code` is stable and public: clients, logs, metrics and the `error` of a rendition carry it. The first paragraph of its
docstring says what is wrong, where the raiser gives no better text. Errors know nothing of HTTP: `internal/http/problems.py` has
the one table, with what a client should do about each. Adapters translate their library's errors into these, once, with
`raise … from`.
"""

from typing import ClassVar
from uuid import UUID

from internal.domain.identity import Scope


class ServiceError(Exception):
    """Something went wrong on our side."""

    code: ClassVar[str] = "internal_error"

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail or _first_paragraph(type(self))
        super().__init__(self.detail)


def _first_paragraph(error: type[Exception]) -> str:
    return " ".join((error.__doc__ or error.__name__).split("\n\n")[0].split())


class StartRefused(Exception):
    """The process can't start like this. The text says what the operator can do."""


# The request itself


class InvalidRequest(ServiceError):
    """The request can't be understood."""

    code = "invalid_request"


class Unauthenticated(ServiceError):
    """This needs a credential.

    `rejected`: there was one, and it is wrong, expired or revoked, or of a kind that is not taken.
    """

    code = "unauthenticated"

    def __init__(self, detail: str | None = None, *, rejected: bool = False) -> None:
        super().__init__(detail)
        self.rejected = rejected


class Forbidden(ServiceError):
    """The credential does not allow this.

    `scope`: the one that it lacks.
    """

    code = "forbidden"

    def __init__(self, detail: str | None = None, *, scope: Scope | None = None) -> None:
        super().__init__(detail or (f"The credential lacks the scope {scope}." if scope else None))
        self.scope = scope


class LinkInvalid(ServiceError):
    """The link is wrong, has expired or was revoked.

    Raised before anything is looked up: it says nothing about the image.
    """

    code = "link_invalid"


class LinksDisabled(ServiceError):
    """This service makes no links: it has no key to sign them with."""

    code = "links_disabled"


class RateLimited(ServiceError):
    """This is more than a rate limit allows for now.

    `limit`: its name. `used` and `allowed` count in its unit: what has been used, and how much may be at once.
    `retry_seconds`: whole seconds until it would be allowed, if nothing else is used meanwhile.
    """

    code = "rate_limited"

    def __init__(
        self,
        detail: str | None = None,
        *,
        limit: str | None = None,
        used: int | None = None,
        allowed: int | None = None,
        retry_seconds: int = 1,
    ) -> None:
        super().__init__(detail)
        self.limit, self.used, self.allowed = limit, used, allowed
        self.retry_seconds = retry_seconds


class QuotaExceeded(ServiceError):
    """This is more than the owner may keep.

    `quota`: its name. `used` and `allowed` count in its unit, `used` without what was refused.
    """

    code = "quota_exceeded"

    def __init__(
        self, detail: str | None = None, *, quota: str | None = None, used: int | None = None, allowed: int | None = None
    ) -> None:
        super().__init__(detail)
        self.quota, self.used, self.allowed = quota, used, allowed


class NotFound(ServiceError):
    """There is no such image."""

    code = "not_found"


class PreconditionFailed(ServiceError):
    """The picture is another one by now, or was changed, than the request's conditions say. Nothing was done."""

    code = "precondition_failed"


class RangeNotSatisfiable(ServiceError):
    """The range lies outside the picture.

    `size` of the picture, in bytes.
    """

    code = "range_not_satisfiable"

    def __init__(self, detail: str | None = None, size: int = 0) -> None:
        super().__init__(detail)
        self.size = size


class PayloadTooLarge(ServiceError):
    """The body is larger than this service takes."""

    code = "payload_too_large"


class RequestTimeout(ServiceError):
    """The upload took longer than this service waits."""

    code = "request_timeout"


class ClientGone(ServiceError):
    """The client hung up before its request was complete; nothing was kept.

    Nobody reads this answer: it exists so that a hang-up is one line in the log and never a 500.
    """

    code = "client_gone"


# The picture


class UnsupportedMediaType(ServiceError):
    """This is not a picture of a kind that we take."""

    code = "unsupported_media_type"


class InvalidImage(ServiceError):
    """The file is not a readable picture: it is empty, broken or cut short."""

    code = "invalid_image"


class ImageTooLarge(ServiceError):
    """The picture has more pixels, or a longer side, than this service takes."""

    code = "image_too_large"


class InvalidProcessing(ServiceError):
    """The processing text can't be carried out.

    `position` counts characters of the text as it was sent, from 0; None where no single place is at fault.
    """

    code = "invalid_processing"

    def __init__(self, detail: str | None = None, position: int | None = None) -> None:
        super().__init__(detail)
        self.position = position


# The state of an image


class NotReady(ServiceError):
    """The picture is still being processed."""

    code = "not_ready"


class ProcessingFailed(ServiceError):
    """The picture could not be processed."""

    code = "processing_failed"


class RenditionExists(ServiceError):
    """The image has a rendition of this name with another processing."""

    code = "rendition_exists"


class NothingToRetry(ServiceError):
    """None of the image's renditions has failed."""

    code = "nothing_to_retry"


class IdempotencyInProgress(ServiceError):
    """A request with this Idempotency-Key is still under way."""

    code = "idempotency_in_progress"


class IdempotencyConflict(ServiceError):
    """This Idempotency-Key was used for another request."""

    code = "idempotency_conflict"


# What we depend on


class Unavailable(ServiceError):
    """The service can't take this right now."""

    code = "unavailable"


class DatabaseUnavailable(Unavailable):
    """The database does not answer."""


class DatabaseReadOnly(DatabaseUnavailable):
    """The database takes no changes for now.

    As one does that has just become a standby. It answers: what is only read can still be had.
    """


class DatabaseBusy(DatabaseUnavailable):
    """The database could not do this in time.

    It answered: it ended the statement or the transaction itself, at one of our time limits or to resolve a deadlock.
    """


class StaleStatement(DatabaseUnavailable):
    """A table has just been changed by an upgrade.

    The database refused to run a prepared statement: a table has changed since, or the statement is gone. Nothing of it was done.
    """


class ConnectionsInUse(DatabaseUnavailable):
    """All of this process's connections to the database are in use.

    That says nothing of the database: what holds them may be slow statements, or a server that is silent.
    """


class StoreUnavailable(Unavailable):
    """The object store does not answer."""


class StoreMissing(StoreUnavailable):
    """The object store is not there: its folder or its bucket is missing."""


class WrongStore(StoreUnavailable):
    """The object store is not the one of this service's pictures, or was emptied.

    `found` is the id that it holds, None when it holds none.
    """

    def __init__(self, detail: str | None = None, found: UUID | None = None) -> None:
        super().__init__(detail)
        self.found = found


class StoreRefused(ServiceError):
    """The object store and the database do not belong together. Nothing was changed."""

    code = "store_refused"


class ObjectUnreadable(StoreUnavailable):
    """The object store answers, but can't read the bytes of this picture."""


class StoredInPart(StoreUnavailable):
    """The object store has not kept all of the bytes that it was given."""


class QueueUnavailable(Unavailable):
    """The queue does not answer. Uploads are kept and go on being accepted."""


class ScratchUnavailable(Unavailable):
    """There is no room for pictures in work. Give the worker more, or fewer slots."""


class SandboxUnavailable(Unavailable):
    """No decoder can be started. The machine may be out of memory or of processes."""


class TokenKeysUnavailable(Unavailable):
    """The keys that tokens are verified with can't be had from their issuer right now. The token may be right."""


class DeadlinePassed(Unavailable):
    """The upload took so long that its place was given up."""


class ObjectLost(ServiceError):
    """The stored bytes of this picture are lost or damaged: a fault of ours."""

    code = "object_lost"


class ObjectNotFound(ServiceError):
    """The object store has no object under this key."""

    code = "not_stored"


# Attempts that may go better next time


class DecoderFailed(ServiceError):
    """The decoder died on this picture."""

    code = "decoder_died"


class DecoderOutOfMemory(DecoderFailed):
    """The picture took more memory than a decoder may use.

    Also when the system killed the decoder (SIGKILL): that is what it does when a machine or a container is out of memory.
    """

    code = "decoder_out_of_memory"


class DecoderTimeout(DecoderFailed):
    """The picture took more time than a decoder may use."""

    code = "decoder_timeout"


class OriginalDamaged(ServiceError):
    """The stored original does not match the checksum that was taken when it was uploaded."""

    code = "original_damaged"


class WorkerLost(ServiceError):
    """The worker stopped without finishing this attempt."""

    code = "lease_lost"


class OutputTooLarge(ServiceError):
    """The result is larger than this service makes."""

    code = "output_too_large"


PERMANENT: tuple[type[ServiceError], ...] = (InvalidImage, ImageTooLarge, InvalidProcessing, UnsupportedMediaType, OutputTooLarge)
"""No later attempt can mend these: the rendition is `failed` at once."""

ANSWERS: tuple[type[ServiceError], ...] = (ObjectNotFound, ObjectUnreadable, DatabaseReadOnly, DatabaseBusy, StaleStatement)
"""The dependency answered: a circuit breaker counts these as successes, although clients are told that it is unavailable."""

UNKNOWN: tuple[type[ServiceError], ...] = (ConnectionsInUse,)
"""The dependency was not asked: a circuit breaker counts these as nothing."""
