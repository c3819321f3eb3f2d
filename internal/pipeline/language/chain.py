"""A chain: operations in order and the options of the whole, with one canonical text."""

from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from internal.errors import InvalidProcessing
from internal.pipeline.containers.formats import Encoding, output_format
from internal.pipeline.operations.operation import Operation, Option, name_of, parameters_of
from internal.pipeline.operations.output import Autorotate, Format, Keep, Lossless, MaxBytes, Progressive, Quality, Strip
from internal.pipeline.operations.params import Notation

_Option = TypeVar("_Option", bound=Option)

RESERVED = frozenset("|,=[]")
"""Characters that no value may hold: they belong to the grammar."""


class Chain(Struct, frozen=True):
    """What is done to a picture: `operations` in order, framed by `options`, which hold for all of it. Made by Grammar.parse."""

    operations: tuple[Operation, ...] = ()
    options: tuple[Option, ...] = ()

    @property
    def format(self) -> str | None:
        """The name of the format that was asked for; None: as the input, which is also what `auto` falls back on."""
        option = self._option(Format)
        return option.name if option and option.name != "auto" else None

    @property
    def alternative(self) -> str | None:
        """The name of the modern format that `format:auto` makes beside the fallback."""
        option = self._option(Format)
        return option.modern if option else None

    @property
    def is_slow(self) -> bool:
        """Whether encoding alone may take seconds: AVIF."""
        return "avif" in (self.format, self.alternative)

    @property
    def encoding(self) -> Encoding:
        """How the result is to be written."""
        quality, most, kept = self._option(Quality), self._option(MaxBytes), self._option(Keep)
        return Encoding(
            quality=quality.percent if quality else None,
            lossless=self._option(Lossless) is not None,
            progressive=self._option(Progressive) is not None,
            max_bytes=most.size if most else None,
            keep=kept.what.names if kept else frozenset(),
        )

    @property
    def autorotate(self) -> bool:
        option = self._option(Autorotate)
        return option.enabled if option else True

    @property
    def in_any_colours(self) -> bool:
        """Whether all of it can be done in the picture's own profile."""
        return all(step.in_any_colours for step in self.operations)

    @property
    def references(self) -> tuple[str, ...]:
        """Ids of the images that the chain lays over this one, each once."""
        return tuple(dict.fromkeys(reference for step in self.operations for reference in step.references))

    @property
    def canonical(self) -> str:
        """The one text of all that mean this: presets spelled out, defaults left out, options in a fixed place.

        `parse(chain.canonical) == chain`. A chain that changes nothing is `strip`, which is what happens to it.
        """
        first = [option for option in self.options if isinstance(option, Autorotate)]
        last = [option for option in self.options if not isinstance(option, Autorotate)]
        return "|".join(written(step) for step in (*first, *self.operations, *last)) or name_of(Strip)

    def output_media_type(self, input_media_type: str, *, has_alpha: bool = False) -> str:
        """The media type of the result, of `auto` the fallback's. `has_alpha` matters for what we only read (output_format)."""
        return output_format(self.format, input_media_type, has_alpha=has_alpha).media_type

    def _option(self, kind: type[_Option]) -> _Option | None:
        return next((option for option in self.options if isinstance(option, kind)), None)


def framed(steps: list[Operation]) -> Chain:
    """A chain of `steps`: operations keep their order, options get theirs, and those that say the default are left out."""
    options = [step for step in steps if isinstance(step, Option)]
    meaningful = [option for option in options if option not in (Strip(), Autorotate())]
    return Chain(
        tuple(step for step in steps if not isinstance(step, Option)),
        tuple(sorted(meaningful, key=lambda option: name_of(type(option)))),
    )


def written(step: Operation) -> str:
    """One step in the grammar's text: `name[:arg[,key=value…]]`, defaults left out, keys in the order of the fields."""
    arguments = []
    for number, field in enumerate(parameters_of(type(step)).values()):
        value = getattr(step, field.encode_name)
        if field.default is not msgspec.NODEFAULT and value == field.default:
            continue
        text = value_text(value)
        arguments.append(text if number == 0 else f"{field.name}={text}")
    return ":".join([name_of(type(step)), *([",".join(arguments)] if arguments else [])])


def value_text(value: Any) -> str:
    """A parameter's value as the grammar reads it; raises InvalidProcessing for a text that the grammar can't carry."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() else repr(value)
    text = str(value)
    if not isinstance(value, int | Notation) and (not text.isprintable() or text != text.strip() or RESERVED & set(text)):
        raise InvalidProcessing("A value can't hold any of | , = [ ], begin or end with a space, or hold control characters.")
    return text
