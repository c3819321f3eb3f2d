"""The limits of uploads and of what is made of them, and the processing that the configuration names."""

from typing import Annotated, Literal

from msgspec import Struct

from internal.runtime.section import env


class LimitSettings(Struct, frozen=True, forbid_unknown_fields=True):
    max_upload_bytes: Annotated[int, env("MAX_UPLOAD_BYTES", "Size limit of a picture, in bytes.", ge=1)]
    max_width: Annotated[int, env("MAX_WIDTH", "Width limit of a picture, in pixels.", ge=1)]
    max_height: Annotated[int, env("MAX_HEIGHT", "Height limit of a picture, in pixels.", ge=1)]
    max_pixels: Annotated[int, env("MAX_PIXELS", "Limit of a picture's pixels, all frames together.", ge=1)]
    max_frames: Annotated[int, env("MAX_FRAMES", "Limit of an animation's frames.", ge=1)]
    max_output_pixels: Annotated[int, env("MAX_OUTPUT_PIXELS", "Limit of a rendition's pixels, all frames together.", ge=1)]
    max_output_bytes: Annotated[int, env("MAX_OUTPUT_BYTES", "Size limit of a rendition, in bytes.", ge=1)]
    max_operations: Annotated[int, env("MAX_OPERATIONS", "Limit of operations in one pipeline.", ge=1)]
    max_renditions: Annotated[int, env("MAX_RENDITIONS", "Limit of renditions of one image.", ge=1)]
    max_metadata_bytes: Annotated[int, env("MAX_METADATA_BYTES", "Size limit of an image's metadata, in bytes of JSON.", ge=2)]
    heif_input: Annotated[
        bool, env("HEIF_INPUT", "Accept AVIF uploads. HEIC uploads too, if libvips can decode them; the one from PyPI cannot.")
    ]
    slow_pixels: Annotated[int, env("SLOW_PIXELS", "Pictures with more pixels than this are processed in the slow lane.", ge=1)]
    slow_animation_bytes: Annotated[
        int, env("SLOW_ANIMATION_BYTES", "Animations with more bytes than this are processed in the slow lane.", ge=1)
    ]


class UploadSettings(Struct, frozen=True, forbid_unknown_fields=True):
    expires_seconds: Annotated[
        float, env("UPLOAD_EXPIRES_SECONDS", "A pending image is removed after this time without progress, in seconds.", gt=0)
    ]


class ProcessingSettings(Struct, frozen=True, forbid_unknown_fields=True):
    default: Annotated[str, env("DEFAULT_PROCESSING", "Pipeline of an upload that names none.", min_length=1)]
    format_auto: Annotated[
        Literal["webp", "avif"],
        env("FORMAT_AUTO", "Modern format that `format:auto` produces beside its fallback. avif takes seconds to encode."),
    ]
    presets: Annotated[dict[str, str], env("PRESETS", "Named pipelines for `preset:NAME`. In the environment: a JSON object.")]
