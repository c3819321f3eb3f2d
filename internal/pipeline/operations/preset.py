"""`preset`: a named chain from the configuration."""

from typing import Annotated, ClassVar

from msgspec import Meta

from internal.pipeline.operations.operation import Option


class Preset(Option, frozen=True, tag="preset"):
    """A chain from the configuration, by its name."""

    example: ClassVar[str] = "preset:thumb"

    name: Annotated[str, Meta(min_length=1, max_length=64, description="Name of the preset in the configuration.")]
