"""What an upload asks for: names, chains, lanes. Everything is checked before anything is kept."""

import re
from collections.abc import AsyncIterator
from typing import Any, Protocol
from uuid import UUID

from msgspec import Struct, field

from internal.errors import InvalidProcessing, InvalidRequest
from internal.images.model import Lane, Original, Rendition, new_id
from internal.images.ports import Ports, Rules
from internal.pipeline.chain import Chain

DEFAULT_RENDITION = "default"
Chains = dict[str, tuple[str, Chain]]
"""Name → the text as it was asked and its chain."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Requested(Struct, frozen=True):
    """The parts of an upload beside the picture. `renditions` maps names to chains; None means: not given."""

    filename: str | None = None
    processing: str | None = None
    renditions: dict[str, str] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


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
    if not _NAME.fullmatch(name):
        raise InvalidRequest("A rendition's name has 1 to 64 letters, digits, `_`, `.`, `-`, and begins with a letter or digit.")
    return name


def parse_chain(name: str, text: str, ports: Ports) -> Chain:
    try:
        return ports.grammar.parse(text)
    except InvalidProcessing as error:
        if name == DEFAULT_RENDITION:
            raise
        raise InvalidProcessing(f"Rendition {name!r}: {error.detail}", error.position) from error


def rendition_of(image_id: UUID, name: str, asked: str, chain: Chain, original: Original, rules: Rules) -> Rendition:
    """A rendition that waits for a worker."""
    return Rendition(
        id=new_id(),
        image_id=image_id,
        name=name,
        processing=asked,
        pipeline=chain.canonical,
        lane=lane_of(original, rules),
    )


def lane_of(original: Original, rules: Rules) -> Lane:
    """`slow` for what takes seconds: huge pictures and long animations."""
    pixels = (original.width or 0) * (original.height or 0)
    long_animation = original.media_type == "image/gif" and original.size > rules.slow_animation_bytes
    return Lane.SLOW if pixels > rules.slow_pixels or long_animation else Lane.FAST
