"""Chain: operations in order and the options of the whole, with one canonical text."""

from typing import TypeVar

from msgspec import Struct

from internal.pipeline.containers.formats import Encoding, output_format
from internal.pipeline.language.serialize import serialize
from internal.pipeline.operations.operation import Operation, Option, name_of
from internal.pipeline.operations.output import Autorotate, Format, Keep, Lossless, MaxBytes, Progressive, Quality, Strip

_Option = TypeVar("_Option", bound=Option)


class Chain(Struct, frozen=True):
    """A parsed processing chain: `operations` in order, and `options` that apply to the whole. Created by Grammar.parse."""

    operations: tuple[Operation, ...] = ()
    options: tuple[Option, ...] = ()

    @property
    def format(self) -> str | None:
        """Name of the requested format. None means the input's format, which is also the fallback of `auto`."""
        option = self._option(Format)
        return option.name if option and option.name != "auto" else None

    @property
    def alternative(self) -> str | None:
        """Name of the modern format that `format:auto` creates besides the fallback."""
        option = self._option(Format)
        return option.modern if option else None

    @property
    def is_slow(self) -> bool:
        """True if encoding alone may take seconds: AVIF."""
        return "avif" in (self.format, self.alternative)

    @property
    def encoding(self) -> Encoding:
        """The encoding options of the result."""
        quality, max_bytes, keep = self._option(Quality), self._option(MaxBytes), self._option(Keep)
        return Encoding(
            quality=quality.percent if quality else None,
            lossless=self._option(Lossless) is not None,
            progressive=self._option(Progressive) is not None,
            max_bytes=max_bytes.size if max_bytes else None,
            keep=keep.what.names if keep else frozenset(),
        )

    @property
    def autorotate(self) -> bool:
        option = self._option(Autorotate)
        return option.enabled if option else True

    @property
    def works_in_any_profile(self) -> bool:
        """True if every operation can run in the picture's embedded profile."""
        return all(step.works_in_any_profile for step in self.operations)

    @property
    def references(self) -> tuple[str, ...]:
        """Ids of the images that the chain overlays, each once."""
        return tuple(dict.fromkeys(reference for step in self.operations for reference in step.references))

    @property
    def canonical(self) -> str:
        """The canonical text: presets expanded, defaults omitted, options in a fixed order.

        `parse(chain.canonical) == chain`. A chain that changes nothing is `strip`, the default option.
        """
        first = [option for option in self.options if isinstance(option, Autorotate)]
        last = [option for option in self.options if not isinstance(option, Autorotate)]
        return "|".join(serialize(step) for step in (*first, *self.operations, *last)) or name_of(Strip)

    def output_media_type(self, input_media_type: str, *, has_alpha: bool = False) -> str:
        """The result's media type; for `auto` the fallback's. `has_alpha` matters for input-only formats (output_format)."""
        return output_format(self.format, input_media_type, has_alpha=has_alpha).media_type

    def _option(self, kind: type[_Option]) -> _Option | None:
        return next((option for option in self.options if isinstance(option, kind)), None)


def build_chain(steps: list[Operation]) -> Chain:
    """Build a chain: operations keep their order, options are sorted, and options with default values are dropped."""
    options = [step for step in steps if isinstance(step, Option)]
    meaningful = [option for option in options if option not in (Strip(), Autorotate())]
    return Chain(
        tuple(step for step in steps if not isinstance(step, Option)),
        tuple(sorted(meaningful, key=lambda option: name_of(type(option)))),
    )
