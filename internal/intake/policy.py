"""The limits of uploads."""

from msgspec import Struct

from internal.domain.owner import NO_QUOTAS, Quotas
from internal.pipeline.language.grammar import Grammar


class UploadPolicy(Struct, frozen=True):
    """The limits of an upload: one of `media_types`, its size in bytes and pixels, its renditions' chains after `grammar`.

    `default_processing` is the chain of an upload that asks for none. An object that is being written may go `intent_seconds`
    without progress, and an upload that has a row `upload_expires_seconds`. `quotas`: of an owner for whom nothing is set.
    """

    grammar: Grammar
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
    upload_expires_seconds: float
    quotas: Quotas = NO_QUOTAS
