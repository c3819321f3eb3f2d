"""The whole document, put together."""

from internal.api.openapi import binaries, catalogue, images
from internal.api.openapi.components import HEADERS, PARAMETERS, Json, schemas
from internal.api.openapi.guide import guide, problem_guide
from internal.api.openapi.operation import head_of
from internal.observability.health import Condition

VERSION = "1.0.0"
"""Of the contract: it moves when a client could notice."""

TAGS = [
    {"name": images.TAG, "description": "Uploads, what became of them, and what else is made of them."},
    {"name": binaries.TAG, "description": "The bytes: results and originals."},
    {"name": catalogue.TAG, "description": "What this deployment can do, and how much of it."},
    {"name": catalogue.HEALTH_TAG, "description": "For load balancers and operators."},
    {"name": "Problems", "x-traitTag": True, "description": problem_guide()},  # Redoc's word for a chapter without operations
]

LIVE: Json = {"type": "object", "required": ["status"], "properties": {"status": {"const": Condition.OK.value}}}


def openapi_document() -> Json:
    """OpenAPI 3.1: every route, parameter, answer and problem of the API."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Image processor",
            "version": VERSION,
            "description": guide(),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "This one."}],
        "security": [],
        "tags": TAGS,
        "paths": _merged(images.paths(), binaries.paths(), catalogue.paths()),
        "components": {"schemas": {**schemas(), "Live": LIVE}, "headers": HEADERS, "parameters": PARAMETERS},
    }


def _merged(*parts: Json) -> Json:
    """A path may have operations from several parts; where it has GET, it has HEAD."""
    paths: Json = {}
    for part in parts:
        for path, operations in part.items():
            paths.setdefault(path, {}).update(operations)
    return {path: {**operations, **_head(operations)} for path, operations in paths.items()}


def _head(operations: Json) -> Json:
    return {"head": head_of(operations["get"])} if "get" in operations else {}
