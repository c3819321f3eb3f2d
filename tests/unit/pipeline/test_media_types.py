"""Accepted uploads and available loaders match: no upload is accepted that can't be processed."""

from internal.intake.inspect import HEIF_MEDIA_TYPES, MEDIA_TYPES
from internal.pipeline.vips.loaders import HEIF, SOURCES


def test_every_media_type_that_is_accepted_has_a_loader() -> None:
    assert SOURCES.keys() == MEDIA_TYPES | HEIF_MEDIA_TYPES
    assert HEIF == HEIF_MEDIA_TYPES
