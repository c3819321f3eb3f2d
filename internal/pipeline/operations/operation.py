"""What an operation is: a small struct whose fields are its parameters and whose one method takes a picture and returns one.

The grammar, the JSON form, the JSON Schema at `/operations` and the documentation are read off the class: its tag is the name,
its first field the positional argument (`name[:arg[,key=value…]]`), its docstring the summary. An operation imports `Picture` for
type checkers only, so that the API reads it without loading libvips.
"""

from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, get_type_hints

from msgspec import Struct
from msgspec.structs import FieldInfo, fields

if TYPE_CHECKING:
    from internal.pipeline.vips.picture import Picture


class Operation(Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", tag=""):
    """One step of a chain. Subclasses give a `tag`, fields with `Meta(description=…)` and limits, an `example`, and `apply`."""

    example: ClassVar[str] = ""

    @property
    def streams(self) -> bool:
        """Whether it looks at each row once, from top to bottom, and at all of them: such steps need no picture in memory."""
        return False

    @property
    def in_any_colours(self) -> bool:
        """Whether it means the same in the picture's own profile (`keep:icc`): it names no colour, and makes none but means."""
        return False

    @property
    def references(self) -> tuple[str, ...]:
        """Ids of the images whose pictures it needs; they are in `picture.overlays`."""
        return ()

    def apply(self, picture: "Picture") -> "Picture":
        """The picture after this step. Lazy where libvips is; raises InvalidProcessing when this picture can't take the step."""
        raise NotImplementedError

    def scaled(self, width: int, height: int) -> tuple[int, int] | None:  # noqa: ARG002 - for those that scale
        """The size in pixels to which this step first scales a picture; None when it does not begin with that.

        `scaled(*scaled(w, h)) == scaled(w, h)`: the loader decodes no more than is needed, and the step finds its work done.
        """
        return None


class Option(Operation, frozen=True):
    """Holds for the chain as a whole, wherever it stands in it, and at most once. It leaves the pixels alone."""

    def apply(self, picture: "Picture") -> "Picture":
        return picture


def name_of(operation: type[Operation]) -> str:
    """The word for it in a chain."""
    return str(operation.__struct_config__.tag)


@cache
def parameters_of(operation: type[Operation]) -> dict[str, FieldInfo]:
    """Its fields by name, the positional one first."""
    return {field.name: field for field in fields(operation)}


@cache
def types_of(operation: type[Operation]) -> dict[str, Any]:
    """The annotated type of each field, limits included."""
    hints = get_type_hints(operation, include_extras=True)
    return {name: hints[name] for name in parameters_of(operation)}
