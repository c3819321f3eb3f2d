"""Trimming: the bounding box of the content inside a border of one colour."""

from collections.abc import Sequence

from internal.pipeline.vips.pixels import Pixels


def content_box(pixels: Pixels, ground: Sequence[float], threshold: float) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom of the pixels that differ from `ground`; None if none does.

    Colours and alpha are compared separately, and colours only where they are opaque.
    """
    layers = [(pixels, ground[: pixels.bands - 1] if pixels.hasalpha() else ground)]
    if pixels.hasalpha():
        layers.append((pixels.extract_band(pixels.bands - 1), ground[-1:]))
    found = [layer.find_trim(threshold=threshold, background=values, line_art=True) for layer, values in layers]
    boxes = [(left, top, left + width, top + height) for left, top, width, height in found if width and height]
    if not boxes:
        return None
    left, top, right, bottom = zip(*boxes, strict=True)
    return min(left), min(top), max(right), max(bottom)
