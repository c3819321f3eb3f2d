"""Whether a picture is flat, like a drawing, a diagram or a screen: told from its pixels, before anything is encoded."""

import struct
from collections import Counter
from math import ceil, sqrt

from internal.pipeline.vips.picture import Pixels

_SAMPLES = 4096
_COLOURS = 256
"""Of 4096 pixels. A photograph shows more than 2000 in as many, also when it is blurred; as a part of the picture, 700."""
_PIXELS_A_COLOUR = 4
"""Beside the most frequent colour, which is often a photograph's white ground."""


def is_flat(pixels: Pixels) -> bool:
    """True when a grid of at most 4096 pixels shows few colours, each of them again and again. Takes a millisecond."""
    colours = sampled(pixels)
    others = colours.total() - max(colours.values())
    return len(colours) <= _COLOURS and (len(colours) - 1) * _PIXELS_A_COLOUR <= others


def unseen(pixels: Pixels, seen: Counter[bytes]) -> float:
    """About how many pixels have a colour that is not among those `seen` in a sample: the share of what was seen once.

    I. J. Good, The population frequencies of species and the estimation of population parameters, Biometrika 40 (1953).
    """
    share = sum(count == 1 for count in seen.values()) / seen.total()
    return share * float(pixels.width * pixels.height)


def sampled(pixels: Pixels, samples: int = _SAMPLES) -> Counter[bytes]:
    """How often each colour is seen on a grid of at most `samples` pixels, as bytes of a value for each band."""
    step = max(1, ceil(sqrt(pixels.width * pixels.height / samples)))
    data = bytes(pixels.subsample(min(step, pixels.width), min(step, pixels.height)).write_to_memory())
    return Counter(struct.unpack(f"{pixels.bands}s" * (len(data) // pixels.bands), data))
