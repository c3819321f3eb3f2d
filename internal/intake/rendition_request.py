"""A rendition that is asked for: its name, its chain, its lane."""

import re
from uuid import UUID

from internal.domain.errors import InvalidProcessing, InvalidRequest
from internal.domain.ids import new_id
from internal.domain.image import Original
from internal.domain.rendition import Lane, Rendition
from internal.intake.policy import UploadPolicy
from internal.intake.ports import Ports
from internal.pipeline.language.chain import Chain
from internal.ports.repository.repository import Tables

DEFAULT_RENDITION = "default"

Chains = dict[str, tuple[str, Chain]]
"""Name → the text as it was asked and its chain."""

MAX_REFERENCES = 8
"""Other images in one chain: while it is carried out, the worker holds all their originals beside the picture's."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""Of a rendition."""


def check_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise InvalidRequest("A rendition's name has 1 to 64 letters, digits, `_`, `.`, `-`, and begins with a letter or digit.")
    return name


def parse_chain(name: str, text: str, ports: Ports) -> Chain:
    try:
        return ports.grammar.parse(text)
    except InvalidProcessing as error:
        raise _fault(name, error.detail, error.position) from error


async def check_references(chains: Chains, tables: Tables, owner: str) -> None:
    """Every image that a chain lays over this one must be the owner's. Raises InvalidProcessing, which names it.

    INVARIANT: nobody learns of another owner's image, which reads as one that was never there (G8)
    (tests/integration/test_references.py::test_another_owners_image_is_not_there).
    """
    wanted = {name: [UUID(reference) for reference in chain.references] for name, (_, chain) in chains.items()}
    everything = [image_id for image_ids in wanted.values() for image_id in image_ids]
    owned = await tables.images.owned(owner, everything) if everything else frozenset()
    for name, image_ids in wanted.items():
        if len(image_ids) > MAX_REFERENCES:
            raise _fault(name, f"A chain can lay at most {MAX_REFERENCES} other images over this one.")
        if missing := [image_id for image_id in image_ids if image_id not in owned]:
            raise _fault(name, f"There is no image {missing[0]} that could be laid over this one.")


def _fault(name: str, detail: str, position: int | None = None) -> InvalidProcessing:
    """What is wrong with a rendition's chain; it is named where there can be several."""
    return InvalidProcessing(detail if name == DEFAULT_RENDITION else f"Rendition {name!r}: {detail}", position)


def rendition_of(image_id: UUID, name: str, asked: str, chain: Chain, original: Original, rules: UploadPolicy) -> Rendition:
    """A rendition that waits for a worker."""
    return Rendition(
        id=new_id(),
        image_id=image_id,
        name=name,
        processing=asked,
        pipeline=chain.canonical,
        lane=lane_of(original, chain, rules),
    )


def lane_of(original: Original, chain: Chain, rules: UploadPolicy) -> Lane:
    """`slow` for what takes seconds: huge pictures, long animations, and AVIF."""
    pixels = (original.width or 0) * (original.height or 0)
    moves = original.animated if original.frames is None else original.frames > 1
    long_animation = moves and original.size > rules.slow_animation_bytes
    return Lane.SLOW if chain.is_slow or pixels > rules.slow_pixels or long_animation else Lane.FAST
