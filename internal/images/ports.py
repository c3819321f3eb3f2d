"""What the core works with: ports, rules and nothing that knows a library."""

from pathlib import Path

from msgspec import Struct

from internal.objectstore.port import ObjectStore
from internal.pipeline.language.grammar import Grammar
from internal.repository.port import Repository
from internal.sandbox.port import RenderLimits, Sandbox


class Rules(Struct, frozen=True):
    """What an upload may be: one of `media_types`; sizes in bytes and pixels.

    `default_processing` is for an upload that asks for nothing.
    """

    media_types: frozenset[str]
    max_upload_bytes: int
    max_width: int
    max_height: int
    max_pixels: int
    max_renditions: int
    max_metadata_bytes: int
    slow_pixels: int
    slow_animation_bytes: int
    default_processing: str
    intent_seconds: float


class Ports(Struct, frozen=True):
    """The keeping side: what uploads, look-ups and deletes need."""

    repository: Repository
    store: ObjectStore
    grammar: Grammar
    rules: Rules


class Schedule(Struct, frozen=True):
    """When things happen on the working side, in seconds; `max_attempts` counts tries of one rendition."""

    intent_seconds: float
    lease_seconds: float
    renew_seconds: float
    backoff_seconds: float
    overdue_seconds: float
    sweep_seconds: float
    pause_seconds: float
    defer_seconds: float
    max_attempts: int


class Workshop(Struct, frozen=True):
    """The working side: what an attempt and housekeeping need. `scratch` is the folder of pictures in work.

    `grammar` reads canonical pipelines, and must take whatever the keeping side has once taken.
    """

    repository: Repository
    store: ObjectStore
    sandbox: Sandbox
    limits: RenderLimits
    schedule: Schedule
    scratch: Path
    grammar: Grammar
