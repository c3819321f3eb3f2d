"""`preset`: a named chain from the configuration."""

from typing import Annotated, ClassVar

from msgspec import Meta

from internal.pipeline.operations.operation import Option


class Preset(Option, frozen=True, tag="preset"):
    """Stands for a chain that the configuration names; the grammar puts that chain in its place."""

    example: ClassVar[str] = "preset:thumb"

    name: Annotated[str, Meta(min_length=1, max_length=64, description="A name from the configuration.")]
