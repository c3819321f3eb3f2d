"""What an upload asks for: names, chains, lanes. Everything is checked before anything is kept."""

import re
from collections.abc import AsyncIterator
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from internal.errors import InvalidProcessing, InvalidRequest
from internal.images.metadata import Metadata
from internal.images.model import Lane, Original, Rendition, new_id
from internal.images.ports import Ports, Rules
from internal.pipeline.language.chain import Chain
from internal.repository.port import Tables

DEFAULT_RENDITION = "default"
Chains = dict[str, tuple[str, Chain]]
"""Name → the text as it was asked and its chain."""

MAX_REFERENCES = 8
"""Other images in one chain: while it is carried out, the worker holds all their originals beside the picture's."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""Of a rendition."""


class Requested(Struct, frozen=True):
    """The parts of an upload beside the picture. `renditions` maps names to chains; None means: not given."""

    filename: str | None = None
    processing: str | None = None
    renditions: dict[str, str] | None = None
    metadata: Metadata = Metadata()


class Incoming(Protocol):
    """An upload that is still on its way."""

    def content(self) -> AsyncIterator[bytes]:
        """The picture's bytes, once. Ends when the whole request has been read and understood; raises what is wrong with it."""

    def requested(self) -> Requested:
        """The request's other parts; known when `content` has ended."""


def chains_of(requested: Requested, ports: Ports) -> Chains:
    """What an upload asks for. Raises InvalidRequest or InvalidProcessing, which name the rendition."""
    asked: dict[str, str] = {}
    if requested.processing is not None:
        asked[DEFAULT_RENDITION] = requested.processing
    for name, text in (requested.renditions or {}).items():
        if name in asked:
            raise InvalidRequest(f"The rendition {name!r} is asked for twice: as `processing` and in `renditions`.")
        asked[check_name(name)] = text
    if not asked:
        asked[DEFAULT_RENDITION] = ports.rules.default_processing
    if len(asked) > ports.rules.max_renditions:
        raise InvalidRequest(f"An image may have at most {ports.rules.max_renditions} renditions.")
    return {name: (text, parse_chain(name, text, ports)) for name, text in asked.items()}


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


def rendition_of(image_id: UUID, name: str, asked: str, chain: Chain, original: Original, rules: Rules) -> Rendition:
    """A rendition that waits for a worker."""
    return Rendition(
        id=new_id(),
        image_id=image_id,
        name=name,
        processing=asked,
        pipeline=chain.canonical,
        lane=lane_of(original, chain, rules),
    )


def lane_of(original: Original, chain: Chain, rules: Rules) -> Lane:
    """`slow` for what takes seconds: huge pictures, long animations, and AVIF."""
    pixels = (original.width or 0) * (original.height or 0)
    moves = original.animated if original.frames is None else original.frames > 1
    long_animation = moves and original.size > rules.slow_animation_bytes
    return Lane.SLOW if chain.is_slow or pixels > rules.slow_pixels or long_animation else Lane.FAST
