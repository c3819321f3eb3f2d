"""What the service can do, and how much of it: operations and limits."""

from typing import Any

from litestar import get
from msgspec import Struct

from internal.api.requests.request import state_of
from internal.http.asgi import ApiRequest
from internal.intake.settings import LimitSettings
from internal.sandbox import landlock


class CatalogueBody(Struct):
    """The operations that a chain is made of, the presets by name, and what an upload that asks for nothing gets."""

    operations: list[dict[str, Any]]
    presets: dict[str, str]
    default: str


class SandboxBody(Struct):
    """What one decoder may use: address space in bytes, seconds of CPU and on the clock for a picture, pictures in its life.

    `landlock`: the version of Landlock on the API's machine, by which decoders see no file but their picture; null without it.
    """

    memory_bytes: int
    cpu_seconds: float
    wall_seconds: float
    max_pictures: int
    landlock: int | None


class LimitsBody(Struct):
    """The limits in force, under the names of their settings, the media types that are taken, and what a decoder may use."""

    limits: LimitSettings
    media_types: list[str]
    sandbox: SandboxBody


@get("/operations")
async def list_operations(request: ApiRequest) -> CatalogueBody:
    """Every operation with the JSON Schema of its parameters."""
    state = state_of(request)
    processing = state.settings.processing
    return CatalogueBody(state.grammar.describe(), processing.presets, processing.default)


@get("/limits")
async def show_limits(request: ApiRequest) -> LimitsBody:
    """What this deployment takes and makes, in bytes, pixels, counts and seconds."""
    state = state_of(request)
    confines = state.settings.sandbox
    sandbox = SandboxBody(
        confines.memory_bytes, confines.cpu_seconds, confines.wall_seconds, confines.max_pictures, landlock.abi()
    )
    return LimitsBody(state.settings.limits, sorted(state.policy.media_types), sandbox)
