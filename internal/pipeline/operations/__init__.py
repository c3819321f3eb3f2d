"""The registry of operations: the built-in list and those of installed packages.

A package adds operations by entry points of the group `image_processor.operations`, each naming a subclass of Operation:

    [project.entry-points."image_processor.operations"]
    vignette = "my_package:Vignette"

The package imports from internal.plugin only, and must not import pyvips at import time. API and decoder processes both find it.
"""

from functools import cache
from importlib.metadata import entry_points

from internal.pipeline.operations.blur import Blur
from internal.pipeline.operations.brightness import Brightness
from internal.pipeline.operations.contrast import Contrast
from internal.pipeline.operations.crop import Crop
from internal.pipeline.operations.flip import Flip
from internal.pipeline.operations.flop import Flop
from internal.pipeline.operations.gamma import Gamma
from internal.pipeline.operations.grayscale import Grayscale
from internal.pipeline.operations.hue import Hue
from internal.pipeline.operations.invert import Invert
from internal.pipeline.operations.operation import Operation, name_of
from internal.pipeline.operations.output import Autorotate, Format, Keep, Lossless, MaxBytes, Progressive, Quality, Strip
from internal.pipeline.operations.pad import Pad
from internal.pipeline.operations.pixelate import Pixelate
from internal.pipeline.operations.preset import Preset
from internal.pipeline.operations.resize import Resize
from internal.pipeline.operations.rotate import Rotate
from internal.pipeline.operations.round import Round
from internal.pipeline.operations.saturation import Saturation
from internal.pipeline.operations.sepia import Sepia
from internal.pipeline.operations.sharpen import Sharpen
from internal.pipeline.operations.thumbnail import Thumbnail
from internal.pipeline.operations.tint import Tint
from internal.pipeline.operations.trim import Trim
from internal.pipeline.operations.watermark import Watermark

BUILT_IN: tuple[type[Operation], ...] = (
    Resize,
    Thumbnail,
    Crop,
    Trim,
    Pad,
    Rotate,
    Flip,
    Flop,
    Grayscale,
    Sepia,
    Invert,
    Brightness,
    Contrast,
    Saturation,
    Gamma,
    Hue,
    Tint,
    Blur,
    Sharpen,
    Pixelate,
    Round,
    Watermark,
    Format,
    Quality,
    Lossless,
    Progressive,
    MaxBytes,
    Strip,
    Keep,
    Autorotate,
    Preset,
)
GROUP = "image_processor.operations"


@cache
def known_operations() -> tuple[type[Operation], ...]:
    """Built-in operations and plug-ins, found once per process. Raises ValueError, naming it, for an unusable plug-in."""
    found = {name_of(operation): operation for operation in BUILT_IN}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        operation = entry.load()
        if not (isinstance(operation, type) and issubclass(operation, Operation) and name_of(operation)):
            raise ValueError(f"the entry point {entry.value!r} of {GROUP} is not an Operation with a tag")
        if name_of(operation) in found:
            raise ValueError(f"the entry point {entry.value!r} of {GROUP} takes the name {name_of(operation)!r}, which is taken")
        found[name_of(operation)] = operation
    return tuple(found.values())
