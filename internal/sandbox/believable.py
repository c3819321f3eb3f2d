"""What a child says about a picture, held against the job: the child may be in a stranger's hands.

The reply's types bound each field by itself (ports/sandbox.py, protocol.py); this is what depends on the job.
"""

from internal.domain.errors import DecoderFailed
from internal.pipeline.containers.formats import FORMATS
from internal.ports.sandbox import Encoded, Rendered, RenderJob, RenderLimits

_MEDIA_TYPES = frozenset(known.media_type for known in FORMATS.values())
_SECOND_MEDIA_TYPES = frozenset({"image/webp", "image/avif"})
_GRACE_SECONDS = 5.0
"""RLIMIT_CPU knows whole seconds, and the kernel looks at it now and then."""


def require_believable(rendered: Rendered, job: RenderJob, cpu_seconds: float, wall_seconds: float) -> None:
    """Raises DecoderFailed for a result that this job can't have.

    INVARIANT: a child's numbers are bounded, each of them (tests/integration/test_lying_child.py).
    """
    second = rendered.alternative
    believable = (
        _fits(rendered.result, job.limits)
        and rendered.result.content_type in _MEDIA_TYPES
        and (second is None or (job.alternative is not None and _fits(second, job.limits)))
        and (second is None or second.content_type in _SECOND_MEDIA_TYPES)
        and (rendered.facts is None or job.want_facts)
        and rendered.cpu_seconds <= cpu_seconds + _GRACE_SECONDS
        and rendered.seconds <= wall_seconds + _GRACE_SECONDS
    )
    if not believable:
        raise DecoderFailed("The decoder said what can't be.")


def _fits(encoded: Encoded, limits: RenderLimits) -> bool:
    """A chain without operations has the original's pixels, which may be more than an operation may make."""
    pixels = encoded.width * encoded.height * encoded.frames
    return encoded.size <= limits.max_output_bytes and pixels <= max(limits.max_output_pixels, limits.max_pixels)
