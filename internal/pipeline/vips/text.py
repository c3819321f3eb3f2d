"""Text as a picture, in fonts that are Python packages: the same letters on every machine, also on one without any fonts.

Noto Sans (Latin, Greek, Cyrillic, Devanagari) is always there. Every other package of https://fontpkg.org that is installed, like
`fontpkg-noto-sans-arabic`, is used for what it lacks.
"""

import os
from functools import cache
from html import escape
from pathlib import Path
from typing import TypeAlias
from unicodedata import category

import fontpkg
import pyvips

from internal.errors import DecoderFailed, InvalidProcessing
from internal.pipeline.operations.params import Colour

Pixels: TypeAlias = pyvips.Image

FAMILY = "Noto Sans"
_CONFIGURATION = Path(__file__).with_name("fonts.conf")
_WITHOUT_INK = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
_VARIANTS = frozenset(map(chr, range(0xFE00, 0xFE10)))  # of the letter before them; a font may have none


def lettering(text: str, size: float, colour: Colour) -> Pixels:
    """`text` in one colour on nothing, cut to its ink; lines are centred. `size` of the letters (em) in pixels, at least 1.

    Raises InvalidProcessing for letters that no font here has: boxes in their place would help nobody. DecoderFailed where the
    fonts may not be read.
    """
    font = _font()
    if lacking := [letter for letter in dict.fromkeys(text) if not _can_be_set(letter)]:
        raise InvalidProcessing(f"The fonts of this service have no `{''.join(lacking[:8])}`.")
    markup = escape(text, quote=False)  # Pango would take it for tags
    try:
        ink = pyvips.Image.text(markup, font=f"{FAMILY} {size:.2f}", fontfile=str(font), dpi=72, align="centre")
    except pyvips.Error as error:
        if "no text to render" not in str(error):
            raise
        raise InvalidProcessing("The text of a watermark leaves no ink.") from error
    values = colour.rgb[:1] if len(set(colour.rgb)) == 1 else colour.rgb
    interpretation = "b-w" if len(values) == 1 else "srgb"
    plain = pyvips.Image.black(ink.width, ink.height, bands=len(values)).linear(0, list(values), uchar=True)
    return plain.copy(interpretation=interpretation).bandjoin(ink)


@cache
def _fonts() -> tuple[Path, ...]:
    """The upright font of each family, ours first."""
    ours = fontpkg.path(FAMILY)
    files = [_upright(family) for family in fontpkg.families().values()]
    return (ours, *sorted(file for file in files if file not in (None, ours)))


@cache
def _font() -> Path:
    """Ours. Fontconfig, which must find all of them, reads the variable when it begins; it begins a thread, too.

    Raises DecoderFailed for fonts that may not be read: Pango draws boxes then, and says nothing.

    INVARIANT: no text is drawn in another font (tests/unit/pipeline/vips/test_text.py::test_fonts_that_may_not_be_read_are_told).
    """
    os.environ["FONTCONFIG_FILE"] = str(_CONFIGURATION)
    ours, *others = _fonts()
    for file in (_CONFIGURATION, ours, *others):
        try:
            file.open("rb").close()
        except OSError as error:
            raise DecoderFailed("The fonts of this service may not be read by its decoders, so it can't set texts.") from error
    for file in others:
        pyvips.Image.text("x", fontfile=str(file))
    return ours


def _upright(family: fontpkg.Family) -> Path | None:
    try:
        return Path(fontpkg.select_file(family, 400, "normal", nearest=True).path)
    except fontpkg.FontpkgError:
        return None


@cache
def _letters() -> frozenset[int]:
    """The characters that our fonts have. The library is loaded when it is needed: most children never set a text."""
    from fontTools.ttLib import TTFont

    letters: set[int] = set()
    for file in _fonts():
        with TTFont(file, lazy=True, fontNumber=0) as font:
            letters.update(font.getBestCmap() or ())
    return frozenset(letters)


def load_fonts() -> None:
    """Load now what texts are set with, and would be loaded with the first one; it begins no thread."""
    _letters()


def _can_be_set(letter: str) -> bool:
    return category(letter) in _WITHOUT_INK or letter in _VARIANTS or ord(letter) in _letters()
