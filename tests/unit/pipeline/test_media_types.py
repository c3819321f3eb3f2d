"""What an upload may be, and what a decoder can load, are the same: else a picture is accepted that nobody can process."""

from internal.intake.inspect import HEIF_MEDIA_TYPES, MEDIA_TYPES
from internal.pipeline.vips.loaders import HEIF, SOURCES


def test_every_media_type_that_is_accepted_has_a_loader() -> None:
    assert SOURCES.keys() == MEDIA_TYPES | HEIF_MEDIA_TYPES
    assert HEIF == HEIF_MEDIA_TYPES
