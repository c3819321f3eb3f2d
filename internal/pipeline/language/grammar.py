"""Grammar of `processing`: parses text and JSON into a Chain, or raises an error with the position of the mistake.

    chain     = step *( "|" step )            or a JSON list whose items are texts or objects:
    step      = name [ ":" argument *( "," key "=" value ) ]    ["resize:300x200|grayscale", {"op": "blur", "sigma": 2}, …]

An operation's first field is its positional argument; it may be named as well. msgspec converts values one by one, with the
limits of the field's type, so that each error has a position.
"""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args, get_origin

import msgspec

from internal.domain.errors import InvalidProcessing
from internal.pipeline.containers.formats import Modern
from internal.pipeline.language.ast import Argument, OperationCall, item_context, parse_calls
from internal.pipeline.language.chain import Chain, build_chain
from internal.pipeline.language.serialize import serialize_value
from internal.pipeline.operations import known_operations, params
from internal.pipeline.operations.operation import Operation, Option, name_of, parameters_of, types_of
from internal.pipeline.operations.output import Format, Strip, contradiction
from internal.pipeline.operations.preset import Preset

_PLAIN_MESSAGES = {
    "Expected `int`, got `str`": "expected a whole number",
    "Expected `float`, got `str`": "expected a number",
    "Expected `bool`, got `str`": "expected true or false",
}
"""Plain replacements for msgspec's messages about values that are written as text."""


class Grammar:
    """Parser of chains. The constructor checks the presets, so that a bad one stops the start and not a request."""

    def __init__(
        self,
        operations: Iterable[type[Operation]] | None = None,
        presets: Mapping[str, str] | None = None,
        *,
        max_operations: int = 32,
        max_text: int = 8192,
        auto: Modern = "webp",
    ) -> None:
        """`max_text` is in characters; `max_operations` counts steps after presets are expanded.

        `auto` is the modern format of `format:auto`. Raises InvalidProcessing for an invalid preset.
        """
        self._operations = {
            name_of(operation): operation for operation in (known_operations() if operations is None else operations)
        }
        self._max_operations, self._max_text, self._auto = max_operations, max_text, auto
        self._presets: dict[str, list[Operation]] = {}
        self._presets = {name: self._preset(name, text) for name, text in (presets or {}).items()}

    def parse(self, text: str) -> Chain:
        """Parse `text` into a chain. Raises InvalidProcessing with the position of the mistake."""
        if len(text) > self._max_text:
            raise InvalidProcessing(f"The processing is longer than {self._max_text} characters.", self._max_text)
        if not text.strip():
            raise InvalidProcessing("The processing is empty: name an operation, for instance resize:300x200.", 0)
        return build_chain(self._steps(text))

    def describe(self) -> list[dict[str, Any]]:
        """Descriptions of all operations: name, summary, positional parameter, JSON Schema of the parameters, example."""
        return [self._describe(operation) for operation in self._operations.values()]

    def _preset(self, name: str, text: str) -> list[Operation]:
        try:
            return self._steps(text)
        except InvalidProcessing as error:
            raise InvalidProcessing(f"The preset `{name}` can't be used: {error.detail}", error.position) from error

    def _steps(self, text: str) -> list[Operation]:
        steps: list[Operation] = []
        calls: list[OperationCall] = []
        for call in parse_calls(text):
            with item_context(call.item):
                steps += self._expand(self._resolve(call), call)
                calls += [call] * (len(steps) - len(calls))
                if len(steps) > self._max_operations:
                    raise InvalidProcessing(f"A chain has at most {self._max_operations} operations.", call.position)
                self._check_options_once(steps, call)
        if not steps:
            raise InvalidProcessing("The processing is empty: name an operation, for instance resize:300x200.", 0)
        if conflict := contradiction(steps):
            step, reason = conflict
            call = calls[steps.index(step)]
            with item_context(call.item):
                raise InvalidProcessing(f"`{name_of(type(step))}`: {reason}.", call.position)
        return steps

    def _expand(self, operation: Operation, call: OperationCall) -> list[Operation]:
        if isinstance(operation, Format) and operation.name == "auto":
            return [Format("auto", operation.modern or self._auto)]
        if not isinstance(operation, Preset):
            return [operation]
        if operation.name not in self._presets:
            hint = _closest(operation.name, self._presets) or self._known_presets()
            raise InvalidProcessing(f"There is no preset `{_printable(operation.name)}` here. {hint}", call.arguments[0].position)
        return self._presets[operation.name]

    def _known_presets(self) -> str:
        return f"The presets are {', '.join(self._presets)}." if self._presets else "There are no presets a chain could use here."

    def _check_options_once(self, steps: list[Operation], call: OperationCall) -> None:
        options = [type(step) for step in steps if isinstance(step, Option) and not isinstance(step, Strip)]
        for option in options:
            if options.count(option) > 1:
                raise InvalidProcessing(f"`{name_of(option)}` applies to the whole chain: give it once.", call.position)

    def _resolve(self, call: OperationCall) -> Operation:
        kind = self._operations.get(call.name)
        if kind is None:
            hint = _closest(call.name, self._operations) or "See GET /api/v1/operations."
            raise InvalidProcessing(f"There is no operation `{_printable(call.name)}`. {hint}", call.position)
        values: dict[str, Any] = {}
        for argument in call.arguments:
            field = self._resolve_field(kind, argument)
            if field in values:
                raise InvalidProcessing(f"`{call.name}` has `{field}` twice.", argument.position)
            values[field] = _convert(kind, field, argument)
        try:
            return kind(**values)
        except (TypeError, ValueError) as error:
            missing = [name for name, info in parameters_of(kind).items() if info.required and name not in values]
            reason = f"its `{missing[0]}` is missing" if missing else str(error)
            raise InvalidProcessing(f"`{call.name}`: {reason}. Example: {kind.example}", call.position) from error

    def _resolve_field(self, kind: type[Operation], argument: Argument) -> str:
        known = parameters_of(kind)
        if argument.field is None and known:
            return next(iter(known))
        if argument.field in known:
            return argument.field
        name, given = name_of(kind), argument.field or str(argument.value)
        hint = (_closest(given, known) or f"It has {', '.join(known)}.") if known else "It takes no arguments."
        raise InvalidProcessing(f"`{name}` has no parameter `{_printable(given)}`. {hint}", argument.position)

    def _describe(self, operation: type[Operation]) -> dict[str, Any]:
        whole = msgspec.json.schema(operation, schema_hook=params.schema_hook)
        schema = whole["$defs"][operation.__name__]
        schema["properties"].pop("op", None)
        schema["required"] = [name for name in schema.get("required", []) if name != "op"]
        schema.pop("description", None)
        schema.pop("title", None)
        return {
            "name": name_of(operation),
            "summary": " ".join((operation.__doc__ or "").split("\n\n")[0].split()),
            "positional": next(iter(parameters_of(operation)), None),
            "parameters": schema,
            "example": operation.example,
        }


def _convert(kind: type[Operation], field: str, argument: Argument) -> Any:
    hint = types_of(kind)[field]
    try:
        value = msgspec.convert(argument.value, hint, strict=False, dec_hook=params.dec_hook)
        serialize_value(value)
    except (msgspec.ValidationError, InvalidProcessing) as error:
        value_text = _printable(str(argument.value))
        reason = _expected_literals(hint) or _PLAIN_MESSAGES.get(str(error)) or str(error).removesuffix(".")
        message = f"`{name_of(kind)}` can't take `{value_text}` as `{field}`: {reason}. Example: {kind.example}"
        raise InvalidProcessing(message, argument.position) from error
    return value


def _expected_literals(hint: Any) -> str:
    plain = get_args(hint)[0] if hasattr(hint, "__metadata__") else hint
    literals = [kind for kind in (plain, *get_args(plain)) if get_origin(kind) is Literal]
    return f"expected one of {', '.join(map(str, get_args(literals[0])))}" if literals else ""


def _closest(name: str, known: Iterable[str]) -> str:
    match = difflib.get_close_matches(name[:64].lower(), list(known), n=1)
    return f"Did you mean `{match[0]}`?" if match else ""


def _printable(text: str) -> str:
    """A client's text for use in a message: short and printable."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[:64])
