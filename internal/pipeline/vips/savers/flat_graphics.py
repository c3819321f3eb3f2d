"""Detection of flat graphics, such as drawings, diagrams and screenshots, from a sample of the pixels."""

import struct
from collections import Counter
from math import ceil, sqrt

from internal.pipeline.vips.pixels import Pixels

_SAMPLES = 4096
_COLOURS = 256
"""Colours in 4096 pixels. A photograph has more than 2000, also when it is blurred; one that fills only a part has 700."""
_PIXELS_A_COLOUR = 4
"""Not counting the most frequent colour, which is often a photograph's white background."""


def is_flat(pixels: Pixels) -> bool:
    """True if a grid of at most 4096 pixels has few colours and each is frequent. Takes a millisecond."""
    colours = sample_colours(pixels)
    others = colours.total() - max(colours.values())
    return len(colours) <= _COLOURS and (len(colours) - 1) * _PIXELS_A_COLOUR <= others


def estimate_unseen(pixels: Pixels, seen: Counter[bytes]) -> float:
    """Estimated number of pixels whose colour is not in the sample `seen`, from the share of colours seen once (Good-Turing).

    I. J. Good, The population frequencies of species and the estimation of population parameters, Biometrika 40 (1953).
    """
    share = sum(count == 1 for count in seen.values()) / seen.total()
    return share * float(pixels.width * pixels.height)


def sample_colours(pixels: Pixels, samples: int = _SAMPLES) -> Counter[bytes]:
    """Frequency of each colour on a grid of at most `samples` pixels. A colour is bytes with one value per band."""
    step = max(1, ceil(sqrt(pixels.width * pixels.height / samples)))
    data = bytes(pixels.subsample(min(step, pixels.width), min(step, pixels.height)).write_to_memory())
    return Counter(struct.unpack(f"{pixels.bands}s" * (len(data) // pixels.bands), data))
