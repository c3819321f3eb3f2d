"""The options of an upload: names, chains and metadata. All of it is checked before anything is kept."""

from collections.abc import AsyncIterator
from typing import Protocol

from msgspec import Struct

from internal.domain.errors import InvalidRequest
from internal.intake.metadata import Metadata
from internal.intake.ports import Ports
from internal.intake.rendition_request import (
    DEFAULT_RENDITION,
    Chains,
    check_name,
    parse_chain,
)


class UploadOptions(Struct, frozen=True):
    """The parts of an upload beside the picture. `renditions` maps names to chains; None means: not given."""

    filename: str | None = None
    processing: str | None = None
    renditions: dict[str, str] | None = None
    metadata: Metadata = Metadata()


class UploadSource(Protocol):
    """An upload that is still on its way."""

    def content(self) -> AsyncIterator[bytes]:
        """The picture's bytes, once. Ends when the whole request has been read and understood; raises what is wrong with it."""

    def requested(self) -> UploadOptions:
        """The request's other parts; known when `content` has ended."""


def parse_chains(requested: UploadOptions, ports: Ports) -> Chains:
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
