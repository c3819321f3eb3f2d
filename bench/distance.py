"""How far two pictures look apart: the mean of CIEDE2000 over their pixels. Below 1 hardly anybody sees it, side by side."""

from functools import cache
from pathlib import Path

import pyvips


def distance(one: Path, other: Path) -> float:
    """Between two files, all frames; infinite when they are not of one size."""
    return _between(_opened(one), _opened(other))


@cache
def best_thumbnail(source: Path, side: int) -> pyvips.Image:
    """At most `side` pixels wide and high, from every pixel of a file that stays: what a thumbnail should look like."""
    whole = pyvips.Image.new_from_file(str(source))
    return whole.resize(side / max(whole.width, whole.height), gap=0).copy_memory()


def to_file(one: pyvips.Image, other: Path) -> float:
    """Between pixels and a file."""
    return _between(one, _opened(other))


def _between(one: pyvips.Image, other: pyvips.Image) -> float:
    if (one.width, one.height) != (other.width, other.height):
        return float("inf")
    return float(_lab(one).dE00(_lab(other)).avg())


def _opened(path: Path) -> pyvips.Image:
    image = pyvips.Image.new_from_file(str(path))
    pages = image.get("n-pages") if image.get_typeof("n-pages") else 1
    return pyvips.Image.new_from_file(str(path), n=-1) if pages > 1 else image


def _lab(image: pyvips.Image) -> pyvips.Image:
    opaque = image.flatten(background=255) if image.hasalpha() else image
    return opaque.colourspace("lab")
