"""The options of an upload: renditions, metadata and file name. They are parsed and checked once, before anything is kept."""

from msgspec import Struct

from internal.domain.errors import InvalidRequest
from internal.domain.upload import ParsedOptions
from internal.intake.metadata import Metadata
from internal.intake.policy import UploadPolicy
from internal.intake.rendition_request import DEFAULT_RENDITION, parse_rendition


class UploadOptions(Struct, frozen=True):
    """The options as a door has read them. `renditions` maps names to chains; None means: not given."""

    filename: str | None = None
    processing: str | None = None
    renditions: dict[str, str] | None = None
    metadata: Metadata = Metadata()


def parse_options(options: UploadOptions, policy: UploadPolicy) -> ParsedOptions:
    """Parse the options of an upload. Raises InvalidRequest or InvalidProcessing, which name the rendition."""
    texts: dict[str, str] = {}
    if options.processing is not None:
        texts[DEFAULT_RENDITION] = options.processing
    for name, text in (options.renditions or {}).items():
        if name in texts:
            raise InvalidRequest(f"The rendition {name!r} is asked for twice: as `processing` and in `renditions`.")
        texts[name] = text
    if not texts:
        texts[DEFAULT_RENDITION] = policy.default_processing
    check_count(len(texts), policy)
    renditions = tuple(parse_rendition(name, text, policy) for name, text in texts.items())
    return ParsedOptions(renditions, options.metadata.text, options.filename)


def check_count(renditions: int, policy: UploadPolicy) -> None:
    """Raises InvalidRequest if an image may not have so many renditions."""
    if renditions > policy.max_renditions:
        raise InvalidRequest(f"An image may have at most {policy.max_renditions} renditions.")
