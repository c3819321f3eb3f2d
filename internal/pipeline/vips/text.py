"""Text as a picture. Fonts come from Python packages, so that text looks the same on every machine, also without system fonts.

Noto Sans (Latin, Greek, Cyrillic, Devanagari) is always installed. Any other installed package of https://fontpkg.org, like
`fontpkg-noto-sans-arabic`, supplies characters that Noto Sans lacks.
"""

import os
from functools import cache
from html import escape
from pathlib import Path
from unicodedata import category

import fontpkg
import pyvips

from internal.domain.errors import DecoderFailed, InvalidProcessing
from internal.pipeline.operations.params import Colour
from internal.pipeline.vips.pixels import Pixels

FAMILY = "Noto Sans"
_CONFIGURATION = Path(__file__).with_name("fonts.conf")
_WITHOUT_INK = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
_VARIATION_SELECTORS = frozenset(map(chr, range(0xFE00, 0xFE10)))
"""They modify the character before them. A font may lack them."""


def render_text(text: str, size: float, colour: Colour) -> Pixels:
    """`text` in one colour on a transparent background, cropped to its ink; lines are centred. `size` (em) in pixels, at least 1.

    Raises InvalidProcessing for characters that no font here has (else Pango would draw boxes), and DecoderFailed if the fonts
    can't be read.
    """
    font = _font()
    if missing := [letter for letter in dict.fromkeys(text) if not _is_supported(letter)]:
        raise InvalidProcessing(f"The fonts of this service have no `{''.join(missing[:8])}`.")
    markup = escape(text, quote=False)  # Pango reads markup
    try:
        ink = pyvips.Image.text(markup, font=f"{FAMILY} {size:.2f}", fontfile=str(font), dpi=72, align="centre")
    except pyvips.Error as error:
        if "no text to render" not in str(error):
            raise
        raise InvalidProcessing("The text of the watermark has no visible characters.") from error
    values = colour.rgb[:1] if len(set(colour.rgb)) == 1 else colour.rgb
    interpretation = "b-w" if len(values) == 1 else "srgb"
    plain = pyvips.Image.black(ink.width, ink.height, bands=len(values)).linear(0, list(values), uchar=True)
    return plain.copy(interpretation=interpretation).bandjoin(ink)


@cache
def _fonts() -> tuple[Path, ...]:
    """The upright font file of each family; ours comes first."""
    ours = fontpkg.path(FAMILY)
    files = [_upright(family) for family in fontpkg.families().values()]
    return (ours, *sorted(file for file in files if file not in (None, ours)))


@cache
def _font() -> Path:
    """Our font file, with all others registered. Fontconfig reads the environment variable when it starts, and starts a thread.

    Raises DecoderFailed for fonts that can't be read: Pango would draw boxes without an error.

    INVARIANT: no text is drawn in another font (tests/unit/pipeline/vips/test_text.py::test_unreadable_fonts_are_an_error).
    """
    os.environ["FONTCONFIG_FILE"] = str(_CONFIGURATION)
    ours, *others = _fonts()
    for file in (_CONFIGURATION, ours, *others):
        try:
            file.open("rb").close()
        except OSError as error:
            raise DecoderFailed("The fonts of this service can't be read by its decoders, so it can't draw text.") from error
    for file in others:
        pyvips.Image.text("x", fontfile=str(file))
    return ours


def _upright(family: fontpkg.Family) -> Path | None:
    try:
        return Path(fontpkg.select_file(family, 400, "normal", nearest=True).path)
    except fontpkg.FontpkgError:
        return None


@cache
def _code_points() -> frozenset[int]:
    """The code points that our fonts have. fontTools is imported on first use: most children never draw text."""
    from fontTools.ttLib import TTFont

    code_points: set[int] = set()
    for file in _fonts():
        with TTFont(file, lazy=True, fontNumber=0) as font:
            code_points.update(font.getBestCmap() or ())
    return frozenset(code_points)


def load_fonts() -> None:
    """Load the tables that the first text would load. Starts no thread."""
    _code_points()


def _is_supported(letter: str) -> bool:
    return category(letter) in _WITHOUT_INK or letter in _VARIATION_SELECTORS or ord(letter) in _code_points()
