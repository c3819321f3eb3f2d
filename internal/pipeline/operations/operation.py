"""Operation: a small struct. Its fields are the parameters; its method `apply` takes a picture and returns one.

Grammar, JSON form, JSON Schema (`GET /operations`) and documentation are derived from the class: its tag is the name, its first
field the positional argument (`name[:arg[,key=value…]]`), its docstring the summary. An operation imports `Picture` for type
checkers only, so that the API can use it without loading libvips.
"""

from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, get_type_hints

from msgspec import Struct
from msgspec.structs import FieldInfo, fields

if TYPE_CHECKING:
    from internal.pipeline.vips.picture import Picture


class Operation(Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", tag=""):
    """One step of a chain. A subclass has a `tag`, an `example`, `apply`, and fields with limits and `Meta(description=…)`."""

    example: ClassVar[str] = ""

    @property
    def streams(self) -> bool:
        """True if the operation reads every row once, from top to bottom, so that it needs no picture in memory."""
        return False

    @property
    def works_in_any_profile(self) -> bool:
        """True if the operation takes no colour and only averages pixels, so it can run in the embedded profile (`keep:icc`)."""
        return False

    @property
    def references(self) -> tuple[str, ...]:
        """Ids of the images that the operation needs. `picture.overlays` holds them."""
        return ()

    def apply(self, picture: "Picture") -> "Picture":
        """The picture after this step. Lazy where libvips is. Raises InvalidProcessing if the step can't be applied to it."""
        raise NotImplementedError

    def target_size(self, width: int, height: int) -> tuple[int, int] | None:  # noqa: ARG002 - used by operations that scale
        """The size in pixels to which this step scales a picture first; None if it does not begin with scaling.

        `target_size(*target_size(w, h)) == target_size(w, h)`: the loader may already scale down to it, and the step then finds
        its work done.
        """
        return None


class Option(Operation, frozen=True):
    """A setting of the whole chain. Its position does not matter; it may appear once. It does not change pixels."""

    def apply(self, picture: "Picture") -> "Picture":
        return picture


def name_of(operation: type[Operation]) -> str:
    """The operation's name in a chain."""
    return str(operation.__struct_config__.tag)


@cache
def parameters_of(operation: type[Operation]) -> dict[str, FieldInfo]:
    """The operation's parameters by name, the positional one first."""
    return {field.name: field for field in fields(operation)}


@cache
def types_of(operation: type[Operation]) -> dict[str, Any]:
    """The annotated type of each parameter, with its limits."""
    hints = get_type_hints(operation, include_extras=True)
    return {name: hints[name] for name in parameters_of(operation)}
