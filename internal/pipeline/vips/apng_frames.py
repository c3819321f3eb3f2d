"""Composition of an animated PNG: each frame is drawn on the canvas that the previous frames left."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pyvips
from msgspec import Struct

from internal.pipeline.containers.apng import Animation, ApngFrame, frame_png
from internal.pipeline.vips.pixels import Pixels, PixelsFn


class Composition(Struct, frozen=True):
    """How an animation is drawn. `decode` reads a PNG; it must return the same kind of pixels for all frames, in memory.

    `finish` is applied to each canvas and must return one size for all. `opaque`: no pixel is ever transparent.
    """

    decode: Callable[[bytes], Pixels]
    finish: PixelsFn
    opaque: bool


def is_opaque(animation: Animation, canvas: tuple[int, int]) -> bool:
    """True if frames without alpha always cover the whole canvas of this size."""
    first, *_ = animation.frames
    whole = (first.width, first.height) == canvas
    return whole and all(frame.disposal != "background" for frame in animation.frames[:-1])


def compose(source: Path, animation: Animation, size: tuple[int, int], composition: Composition) -> Pixels:
    """All frames, one below the other, on canvases of this size, with libvips' fields `delay` and `loop`. In memory.

    Raises InvalidImage and pyvips.Error for a damaged frame.
    """
    shown = [composition.finish(canvas).copy_memory() for canvas in _canvases(source, animation, size, composition)]
    roll = pyvips.Image.arrayjoin(shown, across=1)
    roll.set_type(pyvips.GValue.array_int_type, "delay", [frame.delay for frame in animation.frames])
    roll.set_type(pyvips.GValue.gint_type, "loop", animation.plays)
    return roll


def _canvases(source: Path, animation: Animation, size: tuple[int, int], composition: Composition) -> Iterator[Pixels]:
    """The whole canvas as each frame shows it, in memory."""
    canvas: Pixels | None = None
    with source.open("rb") as file:
        for frame in animation.frames:
            patch = composition.decode(frame_png(file, animation, frame))
            before = canvas or _clear(patch, *size)
            if frame.over and not composition.opaque:
                patch = _over(before.crop(frame.left, frame.top, frame.width, frame.height), patch)
            shown = before.insert(patch, frame.left, frame.top).copy_memory()
            yield shown
            canvas = _disposed(before, shown, frame)


def _disposed(before: Pixels, shown: Pixels, frame: ApngFrame) -> Pixels:
    """The canvas on which the next frame is drawn."""
    if frame.disposal == "previous":
        return before
    if frame.disposal == "background":
        return shown.insert(_clear(shown, frame.width, frame.height), frame.left, frame.top).copy_memory()
    return shown


def _clear(like: Pixels, width: int, height: int) -> Pixels:
    """An area of transparent black."""
    return pyvips.Image.black(width, height, bands=like.bands).cast(like.format).copy(interpretation=like.interpretation)


def _over(ground: Pixels, patch: Pixels) -> Pixels:
    """`patch` composited over `ground`. In integers libvips 8.18.7 truncates, which would darken the canvas frame by frame."""
    mixed = ground.cast("float").composite2(patch.cast("float"), "over", compositing_space=patch.interpretation)
    return mixed.rint().cast(patch.format)
