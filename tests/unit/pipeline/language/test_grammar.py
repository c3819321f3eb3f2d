"""The grammar: accepted input, canonical output, and positions of errors."""

import json
import random
import subprocess
import sys

import pytest

from internal.domain.errors import InvalidProcessing
from internal.pipeline.containers.formats import Encoding
from internal.pipeline.language.grammar import Grammar
from internal.pipeline.operations.output import Format
from internal.pipeline.operations.params import Size
from internal.pipeline.operations.resize import Resize

GRAMMAR = Grammar(
    presets={"thumb": "resize:200x200,fit=cover", "web": "resize:1600x1600|format:webp", "both": "resize:9x9|format:auto"},
    max_operations=8,
    max_text=500,
)


def test_a_chain_keeps_the_order_of_operations_and_sorts_its_options() -> None:
    chain = GRAMMAR.parse("format:png | flip|resize:100x50,fit=cover|autorotate:false|blur:2.0")

    assert [type(operation).__name__ for operation in chain.operations] == ["Flip", "Resize", "Blur"]
    assert (chain.format, chain.encoding.quality, chain.autorotate) == ("png", None, False)
    assert chain.canonical == "autorotate:false|flip|resize:100x50,fit=cover|blur:2|format:png"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("resize:100x100", "resize:100x100"),
        ("resize:size=100x", "resize:100x"),
        ("resize:x100,enlarge=true,fit=inside,gravity=centre", "resize:x100,enlarge=true"),
        ("resize:9x9,background=FFF,focal=0.50;1", "resize:9x9,focal=0.5;1,background=ffffff"),
        ("  resize : 9x9 , fit = fill ", "resize:9x9,fit=fill"),
        ("sharpen:0.5", "sharpen"),
        ("sharpen:1e0", "sharpen:1"),
        ("rotate:-90", "rotate:-90"),
        ("strip|flip|strip", "flip"),
        ("strip", "strip"),
        ("autorotate", "strip"),
        ("preset:web|quality:70", "resize:1600x1600|format:webp|quality:70"),
        ('[{"op": "resize", "size": "5x5", "enlarge": true}, {"op": "blur", "sigma": 2.5}]', "resize:5x5,enlarge=true|blur:2.5"),
        ('[{"op": "preset", "name": "thumb"}]', "resize:200x200,fit=cover"),
        ('["resize:100x100", "grayscale"]', "resize:100x100|grayscale"),
        (' [ "resize:100x100|blur:2" ,\n"format:png" ] ', "resize:100x100|blur:2|format:png"),
        ('["preset:thumb", {"op": "blur", "sigma": 2}, "flip | flop"]', "resize:200x200,fit=cover|blur:2|flip|flop"),
        ('["\\u0066l\\u0069p"]', "flip"),
        ("format:auto", "format:auto,modern=webp"),
        ("format:auto,modern=avif|flip", "flip|format:auto,modern=avif"),
        ("preset:both", "resize:9x9|format:auto,modern=webp"),
        ("keep:copyright; icc", "keep:icc;copyright"),
        ('[{"op": "keep", "what": "icc"}]', "keep:icc"),
        ("progressive|lossless|max_bytes:9|format:png", "format:png|lossless|max_bytes:9|progressive"),
        ('[{"op": "resize", "size": "5x5", "focal": null}]', "resize:5x5"),
    ],
)
def test_every_way_to_say_it_has_one_canonical_form(text: str, canonical: str) -> None:
    assert GRAMMAR.parse(text).canonical == canonical


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ("", 0, "empty"),
        ("   ", 0, "empty"),
        ("[]", 0, "empty"),
        ("resze:1x1", 0, "Did you mean `resize`?"),
        ("flip|resze:1x1", 5, "Did you mean `resize`?"),
        ("flip||flop", 5, "missing here"),
        ("flip|", 5, "missing here"),
        ("resize:0x0", 7, "each side from 1"),
        ("resize:99999999x1", 7, "each side from 1"),
        ("resize:x", 7, "WxH, Wx or xH"),
        ("resize:\u0661x\u0661", 7, "WxH, Wx or xH"),
        ("flip| resize:10x10, fit=cove", 20, "expected one of contain, cover, fill, inside, outside"),
        ("resize:10x10,fti=cover", 13, "Did you mean `fit`?"),
        ("resize:10x10,cover", 13, "write key=value"),
        ("resize:10x10,size=5x5", 13, "`size` twice"),
        ("resize:10x10,fit=cover,gravity=north,focal=0;0", 0, "either gravity or focal"),
        ("resize", 0, "`size` is missing"),
        ("flip:1", 5, "takes no arguments"),
        ("rotate:361", 7, "360"),
        ("blur:much", 5, "expected a number"),
        ("blur:nan", 5, "blur"),
        ("blur:101", 5, "100"),
        ("quality:0", 8, "1"),
        ("quality:80.5", 8, "expected a whole number"),
        ("autorotate:maybe", 11, "expected true or false"),
        ("crop:10x", 5, "WxH+X+Y"),
        ("format:bmp", 7, "jpeg, png, webp, avif, gif, auto"),
        ("format:png|flip|format:gif", 16, "give it once"),
        ("format:webp,modern=avif", 0, "goes with `format:auto` only"),
        ("format:auto,modern=gif", 12, "webp, avif"),
        ("flip|lossless", 5, "`lossless` needs format:png"),
        ("lossless|format:jpeg", 0, "`lossless` needs format:png"),
        ("format:auto|lossless", 12, "`lossless` needs format:png"),
        ("strip|keep:icc", 6, "either `strip` or `keep`"),
        ("keep:icc|keep:copyright", 9, "give it once"),
        ("keep:gps", 5, "icc, copyright"),
        ("keep:", 5, "icc, copyright"),
        ("max_bytes:0", 10, ">= 1"),
        ("progressive:true", 12, "takes no arguments"),
        ("preset:thum", 7, "Did you mean `thumb`?"),
        ("preset:web|format:png", 11, "give it once"),
        ("|".join(["flip"] * 9), 40, "at most 8"),
        ("x" * 501, 500, "longer than 500"),
        ('[{"op": "resize", "size": "0x9"}]', 26, "each side from 1"),
        ('[{"op": "flip"}, {"op": "flap"}]', 17, "Did you mean `flop`?"),
        ('[{"size": "9x9"}]', 1, '"op"'),
        ("[1]", 1, '"op"'),
        ('[{"op": "blur", "sigma": true}]', 25, "blur"),
        ('[{"op": "flip"}', 0, "not a JSON list"),
        ("[" * 400, 0, "not a JSON list"),
        ('["\\ud800"]', 0, "not a JSON list"),
        ('["\ud800"]', 0, "not a JSON list"),
    ],
)
def test_an_error_has_its_position(text: str, position: int, says: str) -> None:
    with pytest.raises(InvalidProcessing) as fault:
        GRAMMAR.parse(text)

    assert says in fault.value.detail
    assert fault.value.position == position


@pytest.mark.parametrize(
    ("text", "item", "position", "says"),
    [
        ('["flip", "flap"]', 2, 10, "Did you mean `flop`?"),
        ('["flip", {"op": "flap"}]', 2, 9, "Did you mean `flop`?"),
        ('["flip|blur:3", "flop | blur:101"]', 2, 29, "100"),
        ('["flip","resize:10x10,fit=cove"]', 2, 22, "expected one of contain"),
        ('["\u00e9", "flip"]', 1, 2, ""),
        ('["\\u0066lip", "\\u0066\\u006cap"]', 2, 15, "Did you mean `flop`?"),
        ('["\\u0072esize:\\u0030x0"]', 1, 14, "each side from 1"),
        ('["watermark:text=\\ud83d\\ude00,margin=x"]', 1, 30, "expected a whole number"),
        ('["flip|"]', 1, 7, "missing here"),
        ('["flip", ""]', 2, 10, "missing here"),
        ('["flip", " "]', 2, 11, "missing here"),
        ('["flip", 7]', 2, 9, "An item is a text, or an object"),
        ('["flip", null]', 2, 9, "An item is a text, or an object"),
        ('["flip", ["flop"]]', 2, 9, "An item is a text, or an object"),
        ('["quality:80", "flip", "quality:70"]', 3, 24, "give it once"),
        ('["flip", "resize:9x9,fit=cover,gravity=north,focal=0;0"]', 2, 10, "either gravity or focal"),
        ('["flip|flip|flip|flip", "flip|flip|flip|flip|flip"]', 2, 45, "A chain has at most 8 operations"),
        ('["format:png|flip", "lossless|format:jpeg"]', 2, 30, "give it once"),
    ],
)
def test_an_error_in_a_list_has_its_position_and_item(text: str, item: int, position: int, says: str) -> None:
    with pytest.raises(InvalidProcessing) as fault:
        GRAMMAR.parse(text)

    assert fault.value.detail.startswith(f"Item {item}: ")
    assert says in fault.value.detail
    assert fault.value.position == position


def test_unprintable_characters_are_not_echoed() -> None:
    with pytest.raises(InvalidProcessing) as fault:
        GRAMMAR.parse("fl\ud800ip\x00\x1b[31m")

    assert fault.value.detail.isprintable()


def test_a_preset_that_cannot_be_used_stops_the_start() -> None:
    with pytest.raises(InvalidProcessing, match=r"preset `bad` can't be used.*resze"):
        Grammar(presets={"bad": "resze:1x1"})


def test_a_preset_that_contradicts_itself_stops_the_start() -> None:
    with pytest.raises(InvalidProcessing, match=r"preset `bad` can't be used.*`lossless` needs"):
        Grammar(presets={"bad": "format:jpeg|lossless"})


def test_auto_is_spelled_out_as_configured() -> None:
    chain = Grammar(auto="avif").parse("format:auto")

    assert chain.canonical == "format:auto,modern=avif"
    assert GRAMMAR.parse(chain.canonical) == chain


@pytest.mark.parametrize(
    ("text", "made_as", "alternative", "slow"),
    [
        ("flip", None, None, False),
        ("format:png", "png", None, False),
        ("format:avif", "avif", None, True),
        ("format:auto", None, "webp", False),
        ("format:auto,modern=avif", None, "avif", True),
    ],
)
def test_a_chain_says_what_it_makes_and_whether_that_takes_seconds(
    text: str, made_as: str | None, alternative: str | None, slow: bool
) -> None:
    chain = GRAMMAR.parse(text)

    assert (chain.format, chain.alternative, chain.is_slow) == (made_as, alternative, slow)


def test_options_say_how_the_result_is_written_wherever_they_stand() -> None:
    options = ["quality:70", "format:webp", "lossless", "progressive", "max_bytes:5000", "keep:icc;copyright"]
    expected = Encoding(70, lossless=True, progressive=True, max_bytes=5000, keep=frozenset({"icc", "copyright"}))
    dice = random.Random(3)
    for _ in range(20):
        dice.shuffle(options)
        assert GRAMMAR.parse("|".join(["flip", *options])).encoding == expected
    assert GRAMMAR.parse("flip").encoding == Encoding()


def test_a_preset_uses_no_other() -> None:
    with pytest.raises(InvalidProcessing, match="preset `b` can't be used"):
        Grammar(presets={"a": "flip", "b": "preset:b"})


def _random_step(dice: random.Random) -> str:
    size = dice.choice(["{}x{}", "{}x", "x{}"]).format(dice.randint(1, 65535), dice.randint(1, 65535))
    fit, yes = dice.choice(["contain", "cover", "fill", "inside", "outside"]), dice.choice(["true", "false", "1", "0"])
    steps = [
        f"resize:{size},fit={fit},background={dice.randrange(16**6):06X}",
        f"resize:{size},fit=cover,focal={dice.random():.{dice.randint(1, 6)}f};1,enlarge={yes}",
        f"resize:{size},gravity={dice.choice(['centre', 'southeast', 'attention'])},background={dice.randrange(16**8):08x}",
        f"thumbnail:{dice.randint(1, 65535)}",
        f"crop:{dice.randint(1, 9)}x{dice.randint(1, 999)}+{dice.randint(0, 9)}+0",
        f"rotate:{dice.choice([90, 270, -90, 0, 12.5, -0.25])},background={dice.randrange(16**6):06x}",
        f"crop:{dice.randint(1, 9)}x9,gravity={dice.choice(['centre', 'south', 'entropy'])}",
        f"pad:{size},gravity={dice.choice(['centre', 'northeast'])}",
        f"pad:margin={';'.join(str(dice.randint(0, 3)) for _ in range(dice.choice([1, 2, 4])))}",
        f"trim:{dice.choice(['0', '10', '2.5'])}",
        f"{dice.choice(['brightness', 'contrast', 'saturation', 'gamma'])}:{dice.uniform(0.1, 10)!r}",
        f"hue:{dice.uniform(-360, 360)!r}",
        f"tint:{dice.choice(['f80', 'ff8800', 'FF880000'])}",
        f"round:{dice.choice(['7', '007', 'ellipse'])}",
        f"blur:{dice.uniform(0.3, 100)!r}",
        f"sharpen:{dice.choice(['0.5', '1', '10.0', '0.75'])}",
        *("flip", "flop", "grayscale", "sharpen", "strip", "preset:thumb"),
    ]
    return dice.choice(steps)


def _random_chain(dice: random.Random) -> str:
    some = ["quality:7", "autorotate:false", "progressive", "max_bytes:77", "keep:copyright;icc"]
    options = [
        *dice.sample(some, dice.choice([0, 0, 1, 2])),
        *dice.choice([["format:webp"], ["format:auto"], ["format:auto,modern=avif"], ["lossless", "format:avif"], []]),
    ]
    steps = [_random_step(dice) for _ in range(dice.randint(1, 4))]
    if some[-1] in options:
        steps = [step for step in steps if step != "strip"]
    steps += options
    dice.shuffle(steps)
    return "|".join(steps)


def test_the_canonical_form_means_the_same_and_stays_itself() -> None:
    dice = random.Random(7)
    for text in [_random_chain(dice) for _ in range(1000)]:
        chain = GRAMMAR.parse(text)
        again = GRAMMAR.parse(chain.canonical)

        assert again == chain, text
        assert again.canonical == chain.canonical, text


def test_chains_that_mean_something_else_are_written_otherwise() -> None:
    texts = [
        "flip",
        "flop",
        "flip|flop",
        "flop|flip",
        "flip|quality:7",
        "flip|autorotate:false",
        "resize:5x5",
        "resize:5x",
        "resize:x5",
    ]

    assert len({GRAMMAR.parse(text).canonical for text in texts}) == len(texts)


@pytest.mark.parametrize(
    ("text", "given", "alpha", "made"),
    [
        ("flip", "image/gif", False, "image/gif"),
        ("flip", "image/tiff", False, "image/jpeg"),
        ("flip", "image/tiff", True, "image/png"),
        ("flip|format:webp", "image/tiff", True, "image/webp"),
        ("flip|format:auto", "image/tiff", True, "image/png"),
        ("flip|format:auto", "image/gif", False, "image/gif"),
        ("flip", "image/avif", False, "image/jpeg"),
        ("flip", "image/heic", True, "image/png"),
        ("format:avif", "image/jpeg", False, "image/avif"),
    ],
)
def test_the_result_is_of_the_format_asked_for_or_of_the_inputs(text: str, given: str, alpha: bool, made: str) -> None:
    assert GRAMMAR.parse(text).output_media_type(given, has_alpha=alpha) == made


def test_the_description_of_an_operation_is_read_off_its_class() -> None:
    described = {entry["name"]: entry for entry in GRAMMAR.describe()}

    resize = described["resize"]
    assert resize["positional"] == "size"
    assert resize["summary"].startswith("Fit the picture to a box")
    assert resize["parameters"]["required"] == ["size"]
    assert resize["parameters"]["properties"]["fit"]["default"] == "inside"
    assert "op" not in resize["parameters"]["properties"]
    assert described["flip"]["positional"] is None
    assert json.loads(json.dumps(described)) == described


def test_every_example_is_a_chain_and_every_parameter_is_described() -> None:
    for entry in GRAMMAR.describe():
        assert GRAMMAR.parse(entry["example"]).canonical
        assert all(parameter["description"] for parameter in entry["parameters"]["properties"].values()), entry["name"]


def test_operations_are_values() -> None:
    assert Resize(Size(1, 2)) == Resize(Size.parse("1x2"))
    assert hash(Resize(Size(1, 2))) == hash(Resize(Size(1, 2)))
    assert Format("png") != Format("gif")


def test_the_grammar_does_not_load_libvips() -> None:
    code = (
        "import sys; from internal.pipeline.language.grammar import Grammar; Grammar().describe(); print('pyvips' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
