"""The choice of output formats."""

import pytest

from internal.pipeline.containers.formats import FORMATS, LOSSLESS, alternative_format, output_format


@pytest.mark.parametrize(
    ("asked_for", "given", "alpha", "made"),
    [
        (None, "image/jpeg", False, "jpeg"),
        (None, "image/webp", True, "webp"),
        (None, "image/tiff", False, "jpeg"),
        (None, "image/tiff", True, "png"),
        (None, "image/avif", False, "jpeg"),
        (None, "image/heic", True, "png"),
        ("avif", "image/gif", True, "avif"),
    ],
)
def test_the_result_is_as_the_input_unless_a_format_is_named(asked_for: str | None, given: str, alpha: bool, made: str) -> None:
    assert output_format(asked_for, given, has_alpha=alpha).name == made


@pytest.mark.parametrize(
    ("modern", "fallback", "frames", "made"),
    [
        (None, "jpeg", 1, None),
        ("webp", "jpeg", 1, "webp"),
        ("avif", "jpeg", 1, "avif"),
        ("webp", "webp", 1, None),
        ("avif", "webp", 1, "avif"),
        ("avif", "gif", 9, "webp"),
        ("avif", "webp", 9, None),
        ("avif", "avif", 1, None),
    ],
)
def test_both_files_of_auto_have_the_same_frames(modern: str | None, fallback: str, frames: int, made: str | None) -> None:
    alternative = alternative_format(modern, FORMATS[fallback], frames=frames)

    assert (alternative.name if alternative else None) == made


def test_formats_without_quality_are_lossless_or_have_a_palette() -> None:
    assert {known.name for known in FORMATS.values() if known.quality is None} == {"png", "gif"}
    assert {known.name for known in FORMATS.values() if known.profile} == set(FORMATS) - {"gif"}
    assert set(FORMATS) >= LOSSLESS
