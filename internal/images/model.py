"""The nouns of the service: frozen, free of I/O, and the same in code, API, logs and docs."""

from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

import uuid_utils.compat
from msgspec import Struct, field

from internal.queue.port import Channel, Message

ANONYMOUS = "anonymous"
"""The owner of every image until there are identities."""


class Status(StrEnum):
    """Of an image and of a rendition: `uploaded → processing → processed | failed`."""

    UPLOADED = "uploaded"
    PROCESSING = "processing"
    PROCESSED = "processed"
    FAILED = "failed"


class Lane(StrEnum):
    """Which queue a task takes. Slow work has slots of its own, so that it never stands before fast work."""

    FAST = "fast"
    SLOW = "slow"


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): unique without asking anybody, and close in time means close in every index."""
    return uuid_utils.compat.uuid7()


class Failure(Struct, frozen=True):
    """Why a rendition failed: a stable `code` of internal/errors.py and a sentence for people."""

    code: str
    detail: str


class Original(Struct, frozen=True):
    """What the upload knew about its own bytes, taken from the bytes and never from the client's word.

    `size` in bytes; `sha256` in hexadecimal; `width` and `height` in pixels as stored, and `orientation` the EXIF number (1 to 8)
    that turns them upright; all None where the first bytes do not tell them. `filename` is the client's, cleaned, and used for
    downloads only. From `frames` on it is what the first decode tells, None until then: see sandbox.port.Facts. `animated`: it
    may be an animation, by its first bytes, or where they are gone by its media type.
    """

    key: str
    media_type: str
    size: int
    sha256: str
    width: int | None
    height: int | None
    filename: str | None
    orientation: int | None = None
    frames: int | None = None
    has_alpha: bool | None = None
    dominant_colour: str | None = None
    thumbhash: str | None = None
    animated: bool = False


class Result(Struct, frozen=True):
    """A rendition's bytes: `key` in the object store, `size` in bytes, `width` and `height` of one frame in pixels."""

    key: str
    sha256: str
    size: int
    width: int
    height: int
    frames: int
    content_type: str


class Rendition(Struct, frozen=True):
    """One named result of a pipeline. `processing` is what was asked for, `pipeline` its canonical form with presets spelled out.

    `attempt` only ever rises and is the fence of every write; `tries` is the counter that `max_attempts` bounds. `result` stays,
    and is served, while the rendition is made anew; `alternatives` are further files of the same picture, for those who name
    their type.
    """

    id: UUID
    image_id: UUID
    name: str
    processing: str
    pipeline: str
    lane: Lane
    status: Status = Status.UPLOADED
    attempt: int = 0
    tries: int = 0
    failure: Failure | None = None
    result: Result | None = None
    alternatives: tuple[Result, ...] = ()
    finished_at: datetime | None = None


class Image(Struct, frozen=True):
    """One uploaded original, its metadata (the text of a JSON object) and its renditions as they were asked for, in order."""

    id: UUID
    owner: str
    status: Status
    original: Original
    metadata: str
    created_at: datetime
    updated_at: datetime
    renditions: tuple[Rendition, ...] = ()

    def rendition(self, name: str) -> Rendition | None:
        return next((rendition for rendition in self.renditions if rendition.name == name), None)


class Claim(Struct, frozen=True):
    """One attempt of one rendition, held under a lease by one worker.

    `facts_known`: nobody needs to look at the original for what a decode tells; `more`: the task has further renditions;
    `result_key`: where the result goes, listed for removal from the moment of the claim (G4).
    """

    rendition_id: UUID
    image_id: UUID
    owner: str
    name: str
    pipeline: str
    lane: Lane
    attempt: int
    tries: int
    original_key: str
    original_sha256: str
    original_size: int
    media_type: str
    facts_known: bool
    more: bool
    result_key: str


class Task(Struct, frozen=True):
    """The queue message that asks for an image's renditions of one lane."""

    image_id: UUID
    lane: Lane


class ListFilter(Struct, frozen=True):
    """What a list is narrowed to. `limit` in images; `after` is the place of the last image of the page before."""

    limit: int = 50
    after: tuple[datetime, UUID] | None = None
    status: Status | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


UNREADABLE = "unreadable_message"
"""Code of a dead letter whose message could not be read out of the queue. Its body is what lies there, and no message."""


class DeadLetter(Struct, frozen=True):
    """A task that stopped for good, with where it came from and why. `headers` and `body` as they came from the queue.

    A message that no handler could take has no image; it has its `channel`, `type` and `key`, so that it can be sent again.
    """

    code: str
    detail: str
    source: str
    attempts: int
    image_id: UUID | None = None
    rendition: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    channel: Channel | None = None
    type: str = ""
    key: str = ""

    @classmethod
    def of_message(cls, message: Message, channel: Channel, *, code: str, detail: str, source: str) -> Self:
        """Of a message that nobody can take. `detail` may quote it: a NUL, which PostgreSQL keeps in no text, is replaced."""
        return cls(
            code=code,
            detail=detail.replace("\0", "\N{REPLACEMENT CHARACTER}"),
            source=source,
            attempts=1,
            headers=dict(message.headers),
            body=message.body,
            channel=channel,
            type=message.type,
            key=message.key,
        )
