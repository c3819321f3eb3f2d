"""What an upload may be."""

from msgspec import Struct


class UploadPolicy(Struct, frozen=True):
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
