"""What the service can do, and how much of it: operations and limits."""

from typing import Any

from litestar import get
from msgspec import Struct

from internal.api.requests import ApiRequest, parts_of
from internal.images.inspect import MEDIA_TYPES
from internal.settings import Limits


class CatalogueBody(Struct):
    """The operations that a chain is made of, the presets by name, and what an upload that asks for nothing gets."""

    operations: list[dict[str, Any]]
    presets: dict[str, str]
    default: str


class LimitsBody(Struct):
    """The limits in force, under the names of their settings, and the media types that are taken."""

    limits: Limits
    media_types: list[str]


@get("/operations")
async def list_operations(request: ApiRequest) -> CatalogueBody:
    """Every operation with the JSON Schema of its parameters."""
    parts = parts_of(request)
    processing = parts.settings.processing
    return CatalogueBody(parts.ports.grammar.describe(), processing.presets, processing.default)


@get("/limits")
async def show_limits(request: ApiRequest) -> LimitsBody:
    """What this deployment takes and makes, in bytes, pixels and counts."""
    return LimitsBody(parts_of(request).settings.limits, sorted(MEDIA_TYPES))
