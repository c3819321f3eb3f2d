"""The frames of an animated PNG as they are seen, one below the other: each is laid on what the ones before it have left."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pyvips
from msgspec import Struct

from internal.pipeline.containers.apng import Animation, Frame, frame_png
from internal.pipeline.vips.picture import Pixels, PixelsFn


class Composition(Struct, frozen=True):
    """How an animation is drawn. `opened` reads a PNG; it must give the same kind of pixels for all frames, in memory.

    `finished` is what becomes of each canvas; it must give one size for all. `opaque`: no pixel is ever transparent.
    """

    opened: Callable[[bytes], Pixels]
    finished: PixelsFn
    opaque: bool


def is_opaque(animation: Animation, canvas: tuple[int, int]) -> bool:
    """Whether frames without transparency, on a canvas of this size, leave no part of it bare."""
    first, *_ = animation.frames
    whole = (first.width, first.height) == canvas
    return whole and all(frame.disposal != "background" for frame in animation.frames[:-1])


def composed(source: Path, animation: Animation, size: tuple[int, int], composition: Composition) -> Pixels:
    """All frames, each in memory, on canvases of this size, with libvips' fields `delay` and `loop`.

    Raises InvalidImage and pyvips.Error for a frame that is damaged.
    """
    shown = [composition.finished(canvas).copy_memory() for canvas in _canvases(source, animation, size, composition)]
    roll = pyvips.Image.arrayjoin(shown, across=1)
    roll.set_type(pyvips.GValue.array_int_type, "delay", [frame.delay for frame in animation.frames])
    roll.set_type(pyvips.GValue.gint_type, "loop", animation.plays)
    return roll


def _canvases(source: Path, animation: Animation, size: tuple[int, int], composition: Composition) -> Iterator[Pixels]:
    """The whole canvas as each frame shows it, in memory."""
    canvas: Pixels | None = None
    with source.open("rb") as file:
        for frame in animation.frames:
            patch = composition.opened(frame_png(file, animation, frame))
            before = canvas or _bare(patch, *size)
            if frame.over and not composition.opaque:
                patch = _over(before.crop(frame.left, frame.top, frame.width, frame.height), patch)
            shown = before.insert(patch, frame.left, frame.top).copy_memory()
            yield shown
            canvas = _disposed(before, shown, frame)


def _disposed(before: Pixels, shown: Pixels, frame: Frame) -> Pixels:
    """What the next frame is laid on."""
    if frame.disposal == "previous":
        return before
    if frame.disposal == "background":
        return shown.insert(_bare(shown, frame.width, frame.height), frame.left, frame.top).copy_memory()
    return shown


def _bare(like: Pixels, width: int, height: int) -> Pixels:
    """Transparent black."""
    return pyvips.Image.black(width, height, bands=like.bands).cast(like.format).copy(interpretation=like.interpretation)


def _over(ground: Pixels, patch: Pixels) -> Pixels:
    """libvips 8.18.7 cuts off what lies behind the point of whole numbers, which would darken frame by frame."""
    mixed = ground.cast("float").composite2(patch.cast("float"), "over", compositing_space=patch.interpretation)
    return mixed.rint().cast(patch.format)
