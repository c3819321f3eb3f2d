"""The limits of uploads and of what is made of them, and the processing that the configuration names."""

from typing import Annotated, Literal

from msgspec import Struct

from internal.runtime.setting import env


class LimitSettings(Struct, frozen=True, forbid_unknown_fields=True):
    max_upload_bytes: Annotated[int, env("MAX_UPLOAD_BYTES", "Largest picture, in bytes.", ge=1)]
    max_width: Annotated[int, env("MAX_WIDTH", "Widest picture, in pixels.", ge=1)]
    max_height: Annotated[int, env("MAX_HEIGHT", "Highest picture, in pixels.", ge=1)]
    max_pixels: Annotated[int, env("MAX_PIXELS", "Most pixels of a picture, all frames together.", ge=1)]
    max_frames: Annotated[int, env("MAX_FRAMES", "Most frames of an animation.", ge=1)]
    max_output_pixels: Annotated[int, env("MAX_OUTPUT_PIXELS", "Most pixels of a result, all frames together.", ge=1)]
    max_output_bytes: Annotated[int, env("MAX_OUTPUT_BYTES", "Largest result, in bytes.", ge=1)]
    max_operations: Annotated[int, env("MAX_OPERATIONS", "Longest pipeline, in operations.", ge=1)]
    max_renditions: Annotated[int, env("MAX_RENDITIONS", "Most renditions of one image.", ge=1)]
    max_metadata_bytes: Annotated[int, env("MAX_METADATA_BYTES", "Largest metadata, in bytes of JSON.", ge=2)]
    heif_input: Annotated[
        bool, env("HEIF_INPUT", "Take AVIF too. HEIC as well, which needs another libvips than that of the Python packages.")
    ]
    slow_pixels: Annotated[int, env("SLOW_PIXELS", "Pictures with more pixels go to the slow lane.", ge=1)]
    slow_animation_bytes: Annotated[int, env("SLOW_ANIMATION_BYTES", "Animations with more bytes go to the slow lane.", ge=1)]


class ProcessingSettings(Struct, frozen=True, forbid_unknown_fields=True):
    default: Annotated[str, env("DEFAULT_PROCESSING", "Processing of an upload that names none.", min_length=1)]
    format_auto: Annotated[
        Literal["webp", "avif"], env("FORMAT_AUTO", "What `format:auto` makes beside its fallback; avif takes seconds.")
    ]
    presets: Annotated[dict[str, str], env("PRESETS", "Named pipelines, for `preset:NAME`; in the environment a JSON object.")]
