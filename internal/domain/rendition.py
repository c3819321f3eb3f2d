"""A rendition: one named result of a pipeline."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from internal.domain.status import Status


class Lane(StrEnum):
    """Which queue a task takes. Slow work has slots of its own, so that it never stands before fast work."""

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
