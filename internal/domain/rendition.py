"""A rendition: one named result of a pipeline."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from internal.domain.status import Status


class Lane(StrEnum):
    """The queue that a task takes. Slow work has slots of its own, so it never delays fast work."""

    FAST = "fast"
    SLOW = "slow"


class Failure(Struct, frozen=True):
    """Why a rendition failed: a stable `code` of internal/domain/errors.py and a sentence for people."""

    code: str
    detail: str


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

    `generation` is the fencing token: it only rises, and every write of an attempt names it. `attempts` counts the attempts since
    the rendition was asked for or retried; `max_attempts` bounds it. An attempt that an outage or a stop ended is not counted.
    `result` stays and is served while the rendition is regenerated. `alternatives` are further files of the same picture, in
    other formats, for clients that accept them.
    """

    id: UUID
    image_id: UUID
    name: str
    processing: str
    pipeline: str
    lane: Lane
    status: Status = Status.UPLOADED
    generation: int = 0
    attempts: int = 0
    failure: Failure | None = None
    result: Result | None = None
    alternatives: tuple[Result, ...] = ()
    finished_at: datetime | None = None

    @property
    def is_final(self) -> bool:
        return self.status in (Status.PROCESSED, Status.FAILED)


class Claim(Struct, frozen=True):
    """One attempt of one rendition, held by one worker under a lease. `attempts` includes this one.

    `facts_known`: the facts of the original are stored already; `more`: the task has further renditions; `result_key`: the key of
    the result, which is a pending object from the moment of the claim (G4); `request_id`: of the request that asked for it.
    """

    rendition_id: UUID
    image_id: UUID
    owner: str
    name: str
    pipeline: str
    lane: Lane
    generation: int
    attempts: int
    original_key: str
    original_sha256: str
    original_size: int
    media_type: str
    facts_known: bool
    more: bool
    result_key: str
    request_id: str | None
