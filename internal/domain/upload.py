"""An upload: bytes on their way, by any door. Its id becomes the image's."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from internal.domain.status import Status
from internal.domain.visibility import Visibility


class UploadKind(StrEnum):
    """The door by which the bytes come."""

    MULTIPART = "multipart"
    URL = "url"
    TUS = "tus"
    PRESIGNED = "presigned"


class UploadState(StrEnum):
    """`pending`: bytes are still to come. `received`: the store has all of them, and the image can be made."""

    PENDING = "pending"
    RECEIVED = "received"


class RenditionRequest(Struct, frozen=True):
    """A rendition that a client asks for, parsed and checked. `id` becomes the rendition's.

    `processing` is the chain as it was sent, `pipeline` its canonical text. `slow`: it takes seconds, whatever the picture is.
    `references`: the images that it lays over this one.
    """

    id: UUID
    name: str
    processing: str
    pipeline: str
    slow: bool = False
    references: tuple[UUID, ...] = ()


class ParsedOptions(Struct, frozen=True):
    """The options of an upload, parsed and checked once. `metadata` is the text of a JSON object, as it was sent.

    `visibility`: of the image to come.
    """

    renditions: tuple[RenditionRequest, ...] = ()
    metadata: str = "{}"
    filename: str | None = None
    visibility: Visibility = Visibility.PRIVATE


class Upload(Struct, frozen=True):
    """An image that is asked for and whose bytes are not all here.

    A multipart upload lives as long as its request and has no row. Every other upload is kept in a row until it is completed,
    deleted, or past `expires_at`. `key` is where its bytes go; `received` counts those that have come.
    """

    id: UUID
    owner: str
    kind: UploadKind
    options: ParsedOptions
    key: str
    created_at: datetime
    updated_at: datetime
    state: UploadState = UploadState.PENDING
    received: int = 0
    expires_at: datetime | None = None

    @property
    def status(self) -> Status:
        """The status of the image to come."""
        return Status.PENDING

    @property
    def has_row(self) -> bool:
        return self.kind is not UploadKind.MULTIPART

    def rendition(self, name: str) -> RenditionRequest | None:
        return next((request for request in self.options.renditions if request.name == name), None)
