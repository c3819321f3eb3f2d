"""Public API for operations in other packages. Import from here only; every other module of `internal` is private.

    from internal.plugin import Colour, Operation

    if TYPE_CHECKING:
        from internal.plugin import Picture, Pixels

Version promise: within one `API_VERSION`, no name in `__all__` is removed, and no documented field, method, signature or text
form changes its meaning. Releases may add names, methods and optional parameters. A change that can break a plug-in raises
`API_VERSION` and is listed in CHANGELOG.md under Breaking, with what to do.

Importing this module does not load libvips. `Picture` and `Pixels` are for annotations: reading either name at run time loads it.
"""

from typing import TYPE_CHECKING, Any

from internal.domain.errors import InvalidProcessing
from internal.pipeline.operations.gravity import Gravity, Place
from internal.pipeline.operations.operation import Operation
from internal.pipeline.operations.params import MAX_SIDE, WHITE, Colour, ImageId, Margins, Param, Point, Radius, Region, Size
from internal.pipeline.operations.text_param import Text

if TYPE_CHECKING:
    from internal.pipeline.vips.picture import Picture
    from internal.pipeline.vips.pixels import Pixels

__all__ = [
    "API_VERSION",
    "MAX_SIDE",
    "WHITE",
    "Colour",
    "Gravity",
    "ImageId",
    "InvalidProcessing",
    "Margins",
    "Operation",
    "Param",
    "Picture",
    "Pixels",
    "Place",
    "Point",
    "Radius",
    "Region",
    "Size",
    "Text",
]

API_VERSION = 1
"""Version of this API. A plug-in may check it."""


def __getattr__(name: str) -> Any:
    """`Picture` and `Pixels`, loaded on first use because they load libvips."""
    if name not in ("Picture", "Pixels"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from internal.pipeline.vips import picture, pixels

    return pixels.Pixels if name == "Pixels" else picture.Picture
