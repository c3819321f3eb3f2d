"""The form of an upload for the OpenAPI document, by hand: it is read as a stream, so no type says what it holds."""

from internal.api.forms.form import IMAGE, METADATA, PROCESSING, RENDITIONS
from internal.api.openapi import examples
from internal.api.openapi.components import Json
from internal.api.schemas import CHAIN_SCHEMA
from internal.intake.inspect import HEIF_MEDIA_TYPES, MEDIA_TYPES
from internal.intake.metadata import MAX_DEPTH
from internal.intake.rendition_request import NAME


def form_content() -> Json:
    """The body of `POST /images`, by its media type."""
    shown = examples.upload()
    return {
        "multipart/form-data": {
            "schema": {"type": "object", "required": [IMAGE], "additionalProperties": False, "properties": _parts(shown)},
            "encoding": {
                IMAGE: {"contentType": ", ".join(sorted(MEDIA_TYPES | HEIF_MEDIA_TYPES))},
                RENDITIONS: {"contentType": "application/json"},
                METADATA: {"contentType": "application/json"},
            },
            "examples": {
                "everything": {"summary": "A result, a thumbnail and metadata", "value": shown},
                "json": {
                    "summary": "The chain as JSON",
                    "value": {IMAGE: shown[IMAGE], PROCESSING: '[{"op": "resize", "size": "800x600"}]'},
                },
                "list": {
                    "summary": "Chains as lists of texts",
                    "value": {
                        IMAGE: shown[IMAGE],
                        PROCESSING: '["resize:800x600", "grayscale"]',
                        RENDITIONS: {"thumb": ["thumbnail:200", "format:webp"]},
                    },
                },
                "nothing": {"summary": "The configured default", "value": {IMAGE: shown[IMAGE]}},
            },
        }
    }


def _parts(shown: Json) -> Json:
    return {
        IMAGE: {
            "type": "string",
            "format": "binary",
            "description": "The file, once. Its kind is read off its bytes; "
            "`GET /api/v1/limits` has the media types that are taken here.",
        },
        PROCESSING: {
            "type": "string",
            "description": "The chain of the rendition `default`: operations in order, between `|`; sent several times, "
            "the parts are one chain. A text that begins with `[` is a JSON list, of such texts or of operations as objects.",
            "examples": [shown[PROCESSING]],
        },
        RENDITIONS: {
            "type": "object",
            "additionalProperties": CHAIN_SCHEMA,
            "propertyNames": {"pattern": f"^{NAME.pattern}$"},
            "description": "Further renditions: names and their chains. With these and no `processing` there is no "
            "`default`; with neither, the configured default chain is made.",
            "examples": [shown[RENDITIONS]],
        },
        METADATA: {
            "type": "object",
            "description": f"Yours, given back text for text; at most {MAX_DEPTH} levels deep. Numbers beyond doubles, U+0000 "
            "and halves of surrogate pairs are refused.",
            "examples": [shown[METADATA]],
        },
    }
