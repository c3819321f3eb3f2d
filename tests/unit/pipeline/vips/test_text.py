"""Text: rendering, fonts, and its form in a chain."""

import random
import shutil
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import fontpkg
import pytest
import pyvips

from internal.domain.errors import DecoderFailed, InvalidProcessing
from internal.pipeline.language.grammar import Grammar
from internal.pipeline.operations.params import WHITE
from internal.pipeline.operations.text_param import MAX_CHARACTERS, Text
from internal.pipeline.vips.picture import Picture
from internal.pipeline.vips.text import FAMILY, _font, render_text
from internal.runtime.project import PROJECT

GRAMMAR = Grammar()


def ink(text: str, size: float = 64) -> pyvips.Image:
    return render_text(text, size, WHITE)[-1]


def written(arguments: str, width: int = 600, height: int = 400) -> pyvips.Image:
    (operation,) = GRAMMAR.parse(f"watermark:{arguments}").operations
    return operation.apply(Picture(pyvips.Image.black(width, height, bands=3).copy(interpretation="srgb"))).pixels


def ink_box(pixels: pyvips.Image) -> tuple[int, ...]:
    return tuple(pixels.find_trim(background=[0, 0, 0], threshold=20, line_art=True))


def test_each_letter_has_a_shape_of_its_own() -> None:
    shapes = {letter: ink(letter) for letter in "ABMЖщΩλéñßşạअ€©™"}

    for one, other in combinations(shapes, 2):
        assert shapes[one].write_to_memory() != shapes[other].write_to_memory(), one + other
    assert all(shape.max() > 200 for shape in shapes.values())


def test_a_character_that_no_font_has_is_named() -> None:
    with pytest.raises(InvalidProcessing, match="漢"):
        ink("Hello 漢")


@pytest.mark.parametrize("text", ["e\u0301", "a\u200bb", "a\u00a0b", "a\nb", "\u202eab", "a\ufe0e"])
def test_characters_without_ink_need_no_glyph(text: str) -> None:
    assert ink(text).max() > 200


def test_a_text_without_ink_is_refused() -> None:
    with pytest.raises(InvalidProcessing, match="no visible characters"):
        ink("\u200b")


def test_the_systems_fonts_are_not_used() -> None:
    ink("A")

    texts = [pyvips.Image.text("Hamburgefonts", font=f"{family} 40", dpi=72) for family in ("Noto Sans", "DejaVu Sans", "serif")]

    assert len({bytes(text.write_to_memory()) for text in texts}) == 1


def test_markup_is_shown_and_not_interpreted() -> None:
    assert ink("<b>M</b>").width > 3 * ink("M").width
    assert ink("&amp;").width > 3 * ink("&").width
    assert ink("a<b & c>d").width > 0


def test_lines_are_broken_where_the_text_says() -> None:
    one, two = ink("MM"), ink("M\nM")

    assert two.width < one.width
    assert two.height > 2 * one.height


def test_a_text_without_a_scale_or_size_takes_three_tenths_of_the_width() -> None:
    assert ink_box(written("text=Hello"))[2] == pytest.approx(180, abs=4)


@pytest.mark.parametrize(("scale", "width"), [("0.8", 480), ("0.1", 60), ("0.02", 12)])
def test_scale_is_its_share_of_the_width(scale: str, width: int) -> None:
    assert ink_box(written(f"text=Hello,scale={scale}"))[2] == pytest.approx(width, abs=4)


@pytest.mark.parametrize("size", [5, 20, 100])
def test_size_is_the_height_of_the_text(size: int) -> None:
    assert ink_box(written(f"text=H,size={size}"))[3] == pytest.approx(size * ink("H", 64).height / 64, abs=1.5)


@pytest.mark.parametrize(
    "arguments", ["text=Hello,size=65535", "text=I,scale=1", f"text={'W' * MAX_CHARACTERS},scale=1,margin=20"]
)
def test_the_watermark_is_never_larger_than_the_picture(arguments: str) -> None:
    left, top, width, height = ink_box(written(arguments, 300, 100))

    assert 0 <= left <= left + width <= 300
    assert 0 <= top <= top + height <= 100
    assert max(width, height) > 50


def test_text_smaller_than_a_pixel_is_a_grey_line() -> None:
    line = written(f"text={'W' * MAX_CHARACTERS},scale=1", 12, 5)

    assert [line.getpoint(x, 2)[0] > 30 for x in range(12)] == [True] * 12
    assert line.crop(0, 0, 12, 2).max() == 0


def test_the_text_has_its_colour_and_opacity() -> None:
    solid = written("text=I,size=300,colour=2080ff")
    clear = written("text=I,size=300,colour=2080ff80,opacity=0.5")

    assert solid.getpoint(300, 200) == [0x20, 0x80, 0xFF]
    assert clear.getpoint(300, 200) == [round(value * 64 / 255) for value in (0x20, 0x80, 0xFF)]


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("text=Hello world", "text=Hello world"),
        ("text=Hello%2C world", "text=Hello%2C world"),
        ("text=%48i %c3%a9", "text=Hi é"),
        ("text=100%25", "text=100%25"),
        ("text=a=b", "text=a%3Db"),
        ("text=%7C%2C%3D%5B%5D", "text=%7C%2C%3D%5B%5D"),
        ("text=%20 x %20", "text=%20%20x%20%20"),
        ("text=%20%0Aa+b %0A", "text=%20%0Aa+b %0A"),
        ("text=<b>&amp;</b>", "text=<b>&amp;</b>"),
    ],
)
def test_a_text_is_encoded_where_it_must_be_and_nowhere_else(text: str, canonical: str) -> None:
    chain = GRAMMAR.parse(f"watermark:{text}")

    assert chain.canonical == f"watermark:{canonical}"
    assert GRAMMAR.parse(chain.canonical) == chain


def test_any_text_survives_the_grammar() -> None:
    dice = random.Random(11)
    letters = " %|,=[]:;+&<>'\"\\\n{}aZé漢Ж😀\u00a0\u200b\u202e"
    for _ in range(500):
        value = "".join(dice.choices(letters, k=dice.randint(1, MAX_CHARACTERS))) + "x"
        text = Text(value[-MAX_CHARACTERS:])
        (operation,) = GRAMMAR.parse(f"flip|watermark:text={text},margin=3|flop").operations[1:2]

        assert operation.text.value == text.value  # type: ignore[attr-defined]


def test_the_json_form_takes_the_same_text() -> None:
    chain = GRAMMAR.parse('[{"op": "watermark", "text": "50%25 off%2C \\u00e9", "size": 20}]')

    assert chain.canonical == "watermark:text=50%25 off%2C é,size=20"


@pytest.mark.parametrize(
    ("chain", "position", "says"),
    [
        ("watermark", 0, "either the id of an image or a text"),
        ("watermark:0198b2c4-8d1e-7a53-9f60-2b7c1d4e5f60,text=a", 0, "either the id of an image or a text"),
        ("watermark:0198b2c4-8d1e-7a53-9f60-2b7c1d4e5f60,size=9", 0, "need a text"),
        ("watermark:text=a,size=9,scale=0.5", 0, "either scale or size"),
        ("watermark:logo", 10, "named by its id"),
        ("watermark:../../etc/passwd", 10, "named by its id"),
        ("watermark:text=100%", 10, "%25"),
        ("watermark:text=%zz", 10, "%25"),
        ("watermark:text=%ff", 10, "UTF-8"),
        ("watermark:text=%ed%a0%80", 10, "UTF-8"),
        ("watermark:text=%20%20", 10, "not all of them spaces"),
        ("watermark:text=", 10, "from 1 to 200 characters"),
        (f"watermark:text={'a' * 201}", 10, "from 1 to 200 characters"),
        ("watermark:text=a%00b", 10, "control characters"),
        ("watermark:text=a%0Db", 10, "control characters"),
        ("watermark:text=a\ud800b", 10, "control characters"),
        ("watermark:text=a,opacity=1.1", 17, "<= 1"),
        ("watermark:text=a,scale=0", 17, ">= 0.001"),
        ("watermark:text=a,angle=nan", 17, "angle"),
        ("watermark:text=a,opacity=nan", 17, "opacity"),
        ("watermark:text=a,margin=-1", 17, ">= 0"),
        ("watermark:text=a,gravity=attention", 17, "expected one of centre"),
    ],
)
def test_an_error_has_its_position(chain: str, position: int, says: str) -> None:
    with pytest.raises(InvalidProcessing) as fault:
        GRAMMAR.parse(chain)

    assert says in fault.value.detail
    assert fault.value.position == position


def test_unreadable_fonts_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for the fonts of a project below /root, which unprivileged decoders can't read: Pango draws boxes."""
    monkeypatch.setattr("internal.pipeline.vips.text._fonts", lambda: (tmp_path / "NotoSans.ttf",))
    _font.cache_clear()
    try:
        with pytest.raises(DecoderFailed, match="be read by its decoders"):
            render_text("Hello", 20, WHITE)
    finally:
        _font.cache_clear()


LOADS_TWO_FONTS = """
import os, sys
from pathlib import Path
import fontpkg
from internal.pipeline.vips import text
fontpkg.families = lambda: {"one": 1, "two": 2}
text._upright = lambda number: Path(sys.argv[number])
text.load_fonts()
print(len(text._fonts()), len(os.listdir("/proc/self/task")))
"""


def test_loading_a_second_family_starts_no_thread(tmp_path: Path) -> None:
    """A child of root loads fonts before its sandbox is set up, which does not cover threads that exist already."""
    ours = Path(fontpkg.path(FAMILY))
    shutil.copy(ours, tmp_path / "other.ttf")

    done = subprocess.run(
        [sys.executable, "-P", "-c", LOADS_TWO_FONTS, str(ours), str(tmp_path / "other.ttf")],
        cwd=tmp_path, env={"PYTHONPATH": str(PROJECT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.stdout.split() == ["2", "1"], done.stderr
