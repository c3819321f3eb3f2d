"""Every row of docs/formats.md is true, and the wheel supports the expected formats."""

import pytest

from internal.pipeline.containers.formats import FORMATS
from tests.golden.formats import wheel
from tests.golden.formats.kind import Kind
from tests.golden.formats.kinds import KINDS
from tests.golden.formats.observed import Observed, Refusal, off, on_ground, room
from tests.golden.formats.page import PAGE, observed, page


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.refused], ids=lambda kind: f"{kind.format} {kind.name}")
def test_a_file_of_this_kind_is_shown_right(kind: Kind) -> None:
    seen = observed(kind)

    assert isinstance(seen, Observed), seen
    assert (seen.facts.has_alpha, seen.facts.frames) == (kind.alpha or kind.may_be_clear, max(kind.frames, kind.first_of))
    for name, result in seen.results.items():
        able = FORMATS[name]
        assert result.alpha == (kind.alpha and able.alpha), name
        assert result.frames == (kind.frames if able.animation else 1), name
        right = kind.colours if result.alpha else on_ground(kind.colours)
        assert off(result.colours, right) <= room(kind, name), (name, result.colours)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.refused], ids=lambda kind: f"{kind.format} {kind.name}")
def test_a_file_of_this_kind_is_refused_and_named(kind: Kind) -> None:
    assert observed(kind) == Refusal(kind.refused or "", kind.shown)


def test_the_page_is_up_to_date() -> None:
    """After an upgrade of a library, regenerate the page (`make documents`) and review its diff."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_kind_has_a_name_of_its_own() -> None:
    names = [(kind.format, kind.name) for kind in KINDS]
    assert len(set(names)) == len(names)


def test_the_wheel_reads_and_writes_what_it_did() -> None:
    """pyvips-binary 8.18.7. A new loader must stay blocked; a missing one is an input format that we lose."""
    assert wheel.operations("VipsForeignLoad") == [
        "csvload", "gifload", "heifload", "jpegload", "matrixload", "pngload", "rawload", "svgload", "tiffload", "uhdrload",
        "vipsload", "webpload",
    ]  # fmt: skip
    assert wheel.operations("VipsForeignSave") == [
        "csvsave", "dzsave", "gifsave", "heifsave", "jpegsave", "matrixsave", "pngsave", "rawsave", "tiffsave", "uhdrsave",
        "vipssave", "webpsave",
    ]  # fmt: skip


def test_the_wheel_is_built_with_what_it_was() -> None:
    """pyvips-binary 8.18.7."""
    assert {name for name, there in wheel.features().items() if there} == {
        "EXIF metadata support with libexif",
        "GIF save with cgif",
        "HEIC/AVIF load/save with libheif",
        "ICC profile support with lcms2",
        "JPEG load/save with libjpeg",
        "PNG load/save with libpng",
        "SIMD support with libhwy",
        "TIFF load/save with libtiff-4",
        "UHDR load/save with libuhdr",
        "WebP load/save with libwebp",
        "deflate compression with zlib",
        "font file support with fontconfig",
        "image pyramid save with libarchive",
        "image quantisation with imagequant",
        "text rendering with pangocairo",
    }
