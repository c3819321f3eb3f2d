"""A rendition that a client asks for: its name, its chain, its lane."""

import re
from collections.abc import Iterable
from uuid import UUID

from internal.domain.errors import InvalidProcessing, InvalidRequest
from internal.domain.ids import new_id
from internal.domain.image import Original
from internal.domain.rendition import Lane, Rendition
from internal.domain.upload import RenditionRequest
from internal.intake.policy import UploadPolicy
from internal.ports.repository.repository import Tables

DEFAULT_RENDITION = "default"

MAX_REFERENCES = 8
"""Other images in one chain: the worker holds all their originals beside the picture's while it renders."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""Of a rendition."""


def parse_rendition(name: str, text: str, policy: UploadPolicy) -> RenditionRequest:
    """Parse what a client asks for. Raises InvalidRequest for a bad name, InvalidProcessing for a bad chain."""
    if not NAME.fullmatch(name):
        raise InvalidRequest("A rendition's name has 1 to 64 letters, digits, `_`, `.`, `-`, and begins with a letter or digit.")
    try:
        chain = policy.grammar.parse(text)
    except InvalidProcessing as error:
        raise _invalid(name, error.detail, error.position) from error
    references = tuple(UUID(reference) for reference in chain.references)
    if len(references) > MAX_REFERENCES:
        raise _invalid(name, f"A chain can lay at most {MAX_REFERENCES} other images over this one.")
    return RenditionRequest(new_id(), name, text, chain.canonical, chain.is_slow, references)


async def check_references(requests: Iterable[RenditionRequest], tables: Tables, owner: str) -> None:
    """Every image that a chain lays over this one must be the owner's. Raises InvalidProcessing, which names the missing one.

    INVARIANT: nobody learns of another owner's image, which reads as one that was never there (G8)
    (tests/integration/test_references.py::test_another_owners_image_is_not_there).
    """
    wanted = [(request.name, image_id) for request in requests for image_id in request.references]
    if not wanted:
        return
    owned = await tables.images.owned(owner, [image_id for _, image_id in wanted])
    for name, image_id in wanted:
        if image_id not in owned:
            raise _invalid(name, f"There is no image {image_id} that could be laid over this one.")


def _invalid(name: str, detail: str, position: int | None = None) -> InvalidProcessing:
    """The error of a rendition's chain. It names the rendition if there can be several."""
    return InvalidProcessing(detail if name == DEFAULT_RENDITION else f"Rendition {name!r}: {detail}", position)


def rendition_of(image_id: UUID, request: RenditionRequest, original: Original, policy: UploadPolicy) -> Rendition:
    """A rendition that waits for a worker."""
    return Rendition(
        id=request.id,
        image_id=image_id,
        name=request.name,
        processing=request.processing,
        pipeline=request.pipeline,
        lane=lane_of(request, original, policy),
    )


def lane_of(request: RenditionRequest, original: Original, policy: UploadPolicy) -> Lane:
    """`slow` for what takes seconds: huge pictures, long animations, and AVIF."""
    pixels = (original.width or 0) * (original.height or 0)
    moves = original.animated if original.frames is None else original.frames > 1
    long_animation = moves and original.size > policy.slow_animation_bytes
    return Lane.SLOW if request.slow or pixels > policy.slow_pixels or long_animation else Lane.FAST
