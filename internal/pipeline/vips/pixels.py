"""Type aliases: libvips images, and functions from one image to another."""

from collections.abc import Callable
from typing import TypeAlias

import pyvips

Pixels: TypeAlias = pyvips.Image
PixelsFn: TypeAlias = Callable[[Pixels], Pixels]
