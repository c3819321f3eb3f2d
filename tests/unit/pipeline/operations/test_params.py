"""Parameter types and bounds of operations: parsing, serializing, refusing."""

import json

import pytest

from internal.domain.errors import InvalidProcessing
from internal.pipeline.language.grammar import Grammar
from internal.pipeline.operations.params import Margins, Radius, Region

GRAMMAR = Grammar()


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("crop:300x200+010+20", "crop:300x200+10+20"),
        ("crop:300x200", "crop:300x200"),
        ("crop:300x200,gravity=centre", "crop:300x200"),
        ("crop:300x200,focal=0.50;1.0", "crop:300x200,focal=0.5;1"),
        ("crop:region=300x200,gravity=southeast", "crop:300x200,gravity=southeast"),
        ("pad:300x", "pad:300x"),
        ("pad:size=300x200,gravity=north,background=FFF", "pad:300x200,gravity=north,background=ffffff"),
        ("pad:margin=020", "pad:margin=20"),
        ("pad:margin=10;20;10;20", "pad:margin=10;20"),
        ("pad:margin=5;5", "pad:margin=5"),
        ("pad:margin=5;5;5;5", "pad:margin=5"),
        ("trim", "trim"),
        ("trim:10", "trim"),
        ("trim:20.0,background=000", "trim:20,background=000000"),
        ("rotate:45", "rotate:45"),
        ("rotate:12.50,background=fff", "rotate:12.5,background=ffffff"),
        ("round:020", "round:20"),
        ("round:ellipse", "round:ellipse"),
        ("sepia:1", "sepia"),
        ("sepia:0.50", "sepia:0.5"),
        ("tint:F80", "tint:ff8800"),
        ("brightness:1.20", "brightness:1.2"),
    ],
)
def test_a_value_has_one_canonical_text(text: str, canonical: str) -> None:
    assert GRAMMAR.parse(text).canonical == canonical


@pytest.mark.parametrize(
    ("step", "canonical"),
    [
        ({"op": "pad", "margin": 20}, "pad:margin=20"),
        ({"op": "pad", "margin": "10;20"}, "pad:margin=10;20"),
        ({"op": "round", "radius": 20}, "round:20"),
        ({"op": "round", "radius": "ellipse"}, "round:ellipse"),
        ({"op": "rotate", "angle": 45}, "rotate:45"),
        ({"op": "crop", "region": "30x20", "gravity": "west"}, "crop:30x20,gravity=west"),
    ],
)
def test_json_takes_a_number_where_it_is_one(step: dict[str, object], canonical: str) -> None:
    assert GRAMMAR.parse(json.dumps([step])).canonical == canonical


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ({"op": "tint", "colour": 100}, "rrggbb"),
        ({"op": "crop", "region": 100}, "WxH"),
        ({"op": "round", "radius": True}, "ellipse"),
        ({"op": "round", "radius": 2.5}, "ellipse"),
        ({"op": "round", "radius": 10**400}, "ellipse"),
        ({"op": "pad", "margin": [1, 2]}, "TOP;RIGHT;BOTTOM;LEFT"),
        ({"op": "pad", "margin": -1}, "TOP;RIGHT;BOTTOM;LEFT"),
    ],
)
def test_json_takes_no_number_where_it_is_none(step: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidProcessing, match=says):
        GRAMMAR.parse(json.dumps([step]))


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ("flip|brightness:-0.1", 16, ">= 0"),
        ("brightness:10.1", 11, "<= 10"),
        ("brightness:nan", 11, "brightness"),
        ("brightness:inf", 11, "<= 10"),
        ("brightness", 0, "`factor` is missing"),
        ("contrast:-1", 9, ">= 0"),
        ("contrast:11", 9, "<= 10"),
        ("saturation:11", 11, "<= 10"),
        ("saturation:-1", 11, ">= 0"),
        ("gamma:0", 6, ">= 0.1"),
        ("gamma:10.5", 6, "<= 10"),
        ("hue:361", 4, "<= 360"),
        ("hue:-361", 4, ">= -360"),
        ("sepia:1.1", 6, "<= 1"),
        ("sepia:-1", 6, ">= 0"),
        ("invert:1", 7, "takes no arguments"),
        ("tint", 0, "`colour` is missing"),
        ("tint:red", 5, "rrggbb"),
        ("rotate:-361", 7, ">= -360"),
        ("rotate:30,background=blue", 10, "rrggbb"),
        ("trim:256", 5, "<= 255"),
        ("trim:-1", 5, ">= 0"),
        ("pixelate:1", 9, ">= 2"),
        ("pixelate:1001", 9, "<= 1000"),
        ("pixelate:8.5", 9, "whole number"),
        ("round:0", 6, "or ellipse"),
        ("round:70000", 6, "or ellipse"),
        ("round:-5", 6, "or ellipse"),
        ("round:circle", 6, "or ellipse"),
        ("pad", 0, "either a size or margin"),
        ("pad:9x9,margin=3", 0, "either a size or margin"),
        ("pad:margin=3,gravity=north", 0, "not with margin"),
        ("pad:9x9,gravity=attention", 8, "expected one of centre, north"),
        ("pad:0x9", 4, "each side from 1"),
        ("pad:margin=1;2;3", 4, "TOP;RIGHT;BOTTOM;LEFT"),
        ("pad:margin=65536", 4, "none above 65535"),
        ("crop:9x9+1+1,gravity=north", 0, "either +X+Y, or gravity or focal"),
        ("crop:9x9+1+1,focal=0;0", 0, "either +X+Y, or gravity or focal"),
        ("crop:9x9,gravity=north,focal=0;0", 0, "either gravity or focal"),
        ("crop:9x9+1", 5, "WxH+X+Y or WxH"),
        ("crop:9x9+1+65536", 5, "none of the numbers above 65535"),
    ],
)
def test_a_value_out_of_bounds_has_its_position(text: str, position: int, says: str) -> None:
    with pytest.raises(InvalidProcessing) as fault:
        GRAMMAR.parse(text)

    assert says in fault.value.detail
    assert fault.value.position == position


def test_params_are_values() -> None:
    assert Region(1, 2) != Region(1, 2, (0, 0))
    assert Region.parse("1x2+0+0") == Region(1, 2, (0, 0))
    assert Margins.parse("7") == Margins(7, 7, 7, 7)
    assert Radius.parse("7") != Radius.parse("ellipse")
    assert len({Radius.parse("7"), Radius(7), Radius(None)}) == 2
