"""What an attempt and housekeeping need."""

from pathlib import Path

from msgspec import Struct

from internal.pipeline.language.grammar import Grammar
from internal.ports.object_store import ObjectStore
from internal.ports.repository.repository import Repository
from internal.ports.sandbox import RenderLimits, Sandbox
from internal.rendering.timings import WorkerTimings


class Workshop(Struct, frozen=True):
    """The working side: what an attempt and housekeeping need. `scratch` is the folder of pictures in work.

    `grammar` reads canonical pipelines, and must take whatever the keeping side has once taken.
    """

    repository: Repository
    store: ObjectStore
    sandbox: Sandbox
    limits: RenderLimits
    schedule: WorkerTimings
    scratch: Path
    grammar: Grammar
