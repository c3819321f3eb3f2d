"""Checks of a child's reply against its job, because the child may be compromised.

The types of the reply bound each field (ports/sandbox.py, protocol.py). These checks are those that depend on the job.
"""

from internal.domain.errors import DecoderFailed
from internal.pipeline.containers.formats import FORMATS
from internal.ports.sandbox import Encoded, Rendered, RenderJob, RenderLimits

_MEDIA_TYPES = frozenset(known.media_type for known in FORMATS.values())
_SECOND_MEDIA_TYPES = frozenset({"image/webp", "image/avif"})
_GRACE_SECONDS = 5.0
"""RLIMIT_CPU counts whole seconds, and the kernel checks it from time to time only."""


def check_rendered(rendered: Rendered, job: RenderJob, cpu_seconds: float, wall_seconds: float) -> None:
    """Raise DecoderFailed if this job can't have this result.

    INVARIANT: every number of a child is bounded (tests/integration/test_lying_child.py).
    """
    second = rendered.alternative
    plausible = (
        _within_limits(rendered.result, job.limits)
        and rendered.result.content_type in _MEDIA_TYPES
        and (second is None or (job.alternative is not None and _within_limits(second, job.limits)))
        and (second is None or second.content_type in _SECOND_MEDIA_TYPES)
        and (rendered.facts is None or job.want_facts)
        and rendered.cpu_seconds <= cpu_seconds + _GRACE_SECONDS
        and rendered.seconds <= wall_seconds + _GRACE_SECONDS
    )
    if not plausible:
        raise DecoderFailed("The decoder reported an impossible result.")


def _within_limits(encoded: Encoded, limits: RenderLimits) -> bool:
    """True if size and pixels are within the limits. A chain without operations keeps the original's pixels, which may exceed
    the limit of an operation.
    """
    pixels = encoded.width * encoded.height * encoded.frames
    return encoded.size <= limits.max_output_bytes and pixels <= max(limits.max_output_pixels, limits.max_pixels)
