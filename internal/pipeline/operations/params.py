"""Parameter types with a text form: `100x100`, `10x10+5+5`, `0.5;0.3`, `ff8800`.

A parameter is parsed from text and serialized to one canonical text. The three hooks at the end teach msgspec and the JSON Schema
about it. No text form contains `|`, `,` or `=`: those belong to the grammar.
"""

import re
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

MAX_SIDE = 65535
"""Pixels: the longest side that any of our formats can hold."""


class Param(ABC):
    """A parameter value with a text form. Two are equal if their texts are. Immutable by convention."""

    __slots__ = ()
    schema: ClassVar[dict[str, Any]]

    @classmethod
    @abstractmethod
    def parse(cls, text: str) -> Self:
        """Parse `text`. Raises ValueError with a sentence that explains the form."""

    @abstractmethod
    def __str__(self) -> str:
        """The canonical text: `parse(str(value)) == value`."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and str(other) == str(self)

    def __hash__(self) -> int:
        return hash((type(self), str(self)))


class Size(Param):
    """`WxH`, `Wx` or `xH` in pixels. A side that is None follows from the picture's aspect ratio."""

    __slots__ = ("height", "width")
    schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "pattern": r"^([1-9]\d*x([1-9]\d*)?|x[1-9]\d*)$",
        "examples": ["300x200", "300x", "x200"],
    }

    def __init__(self, width: int | None, height: int | None) -> None:
        if (width is None and height is None) or not all(side is None or 1 <= side <= MAX_SIDE for side in (width, height)):
            raise ValueError(f"a size is WxH, Wx or xH in pixels, each side from 1 to {MAX_SIDE}")
        self.width, self.height = width, height

    @classmethod
    def parse(cls, text: str) -> Self:
        match = re.fullmatch(r"([0-9]{0,9})x([0-9]{0,9})", text)
        width, height = match.groups() if match else ("", "")
        return cls(int(width) if width else None, int(height) if height else None)

    def __str__(self) -> str:
        return f"{self.width or ''}x{self.height or ''}"


class Region(Param):
    """`WxH+X+Y` in pixels: a rectangle with its top left corner at X, Y. `WxH`: a rectangle without a position."""

    __slots__ = ("corner", "height", "width")
    schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "pattern": r"^[1-9]\d*x[1-9]\d*(\+\d+\+\d+)?$",
        "examples": ["300x200+10+20", "300x200"],
    }

    def __init__(self, width: int, height: int, corner: tuple[int, int] | None = None) -> None:
        sides_fit = 1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE
        if not sides_fit or not all(0 <= distance <= MAX_SIDE for distance in corner or ()):
            raise ValueError(f"a region is WxH+X+Y or WxH in pixels, each side from 1 and none of the numbers above {MAX_SIDE}")
        self.width, self.height, self.corner = width, height, corner

    @classmethod
    def parse(cls, text: str) -> Self:
        match = re.fullmatch(r"([0-9]{1,9})x([0-9]{1,9})(?:\+([0-9]{1,9})\+([0-9]{1,9}))?", text)
        if not match:
            return cls(0, 0)
        width, height, left, top = match.groups()
        return cls(int(width), int(height), None if left is None else (int(left), int(top)))

    def __str__(self) -> str:
        return f"{self.width}x{self.height}" + "".join(f"+{distance}" for distance in self.corner or ())


class Margins(Param):
    """`ALL`, `VERTICAL;HORIZONTAL` or `TOP;RIGHT;BOTTOM;LEFT` in pixels, as in CSS."""

    __slots__ = ("bottom", "left", "right", "top")
    schema: ClassVar[dict[str, Any]] = {
        "type": ["string", "integer"],
        "pattern": r"^\d+(;\d+|;\d+;\d+;\d+)?$",
        "examples": ["20", "10;20", "10;20;30;40"],
    }

    def __init__(self, top: int, right: int, bottom: int, left: int) -> None:
        if not all(0 <= margin <= MAX_SIDE for margin in (top, right, bottom, left)):
            raise ValueError(f"margins are ALL, VERTICAL;HORIZONTAL or TOP;RIGHT;BOTTOM;LEFT in pixels, none above {MAX_SIDE}")
        self.top, self.right, self.bottom, self.left = top, right, bottom, left

    @classmethod
    def parse(cls, text: str) -> Self:
        if not re.fullmatch("[0-9]{1,9}(?:;[0-9]{1,9}|(?:;[0-9]{1,9}){3})?", text):
            return cls(-1, -1, -1, -1)
        margins = [int(margin) for margin in text.split(";")]
        return cls(*margins * (4 // len(margins)))

    def __str__(self) -> str:
        if (self.top, self.right) != (self.bottom, self.left):
            return f"{self.top};{self.right};{self.bottom};{self.left}"
        return str(self.top) if self.top == self.right else f"{self.top};{self.right}"


class Radius(Param):
    """Pixels, or `ellipse`: half of each side."""

    __slots__ = ("pixels",)
    schema: ClassVar[dict[str, Any]] = {
        "type": ["string", "integer"],
        "pattern": r"^([1-9]\d*|ellipse)$",
        "examples": ["20", "ellipse"],
    }

    def __init__(self, pixels: int | None) -> None:
        """`pixels` is None for `ellipse`."""
        if pixels is not None and not 1 <= pixels <= MAX_SIDE:
            raise ValueError(f"a radius is a number of pixels from 1 to {MAX_SIDE}, or ellipse")
        self.pixels = pixels

    @classmethod
    def parse(cls, text: str) -> Self:
        if text == "ellipse":
            return cls(None)
        return cls(int(text) if re.fullmatch("[0-9]{1,9}", text) else 0)

    def __str__(self) -> str:
        return "ellipse" if self.pixels is None else str(self.pixels)


class Point(Param):
    """`X;Y` as fractions of the picture's sides: `0;0` is its top left corner, `1;1` its bottom right one."""

    __slots__ = ("x", "y")
    schema: ClassVar[dict[str, Any]] = {"type": "string", "pattern": r"^[0-9.]+;[0-9.]+$", "examples": ["0.5;0.3"]}

    def __init__(self, x: float, y: float) -> None:
        if not (0 <= x <= 1 and 0 <= y <= 1):
            raise ValueError("a point is X;Y, each a fraction from 0 to 1, for instance 0.5;0.3")
        self.x, self.y = x, y

    @classmethod
    def parse(cls, text: str) -> Self:
        match = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,6})?);([0-9]{1,3}(?:\.[0-9]{1,6})?)", text)
        return cls(*map(float, match.groups())) if match else cls(-1, -1)

    def __str__(self) -> str:
        return ";".join(f"{side:.6f}".rstrip("0").rstrip(".") for side in (self.x, self.y))


class Colour(Param):
    """`rgb`, `rrggbb` or `rrggbbaa` in hexadecimal. `aa` is the opacity; the default is `ff`."""

    __slots__ = ("alpha", "rgb")
    schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "pattern": "^([0-9a-fA-F]{3}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})$",
        "examples": ["fff", "ff8800"],
    }

    def __init__(self, red: int, green: int, blue: int, alpha: int = 255) -> None:
        self.rgb, self.alpha = (red, green, blue), alpha

    @classmethod
    def parse(cls, text: str) -> Self:
        digits = "".join(digit * 2 for digit in text) if len(text) == 3 else text
        if not re.fullmatch("[0-9a-fA-F]{6}(?:[0-9a-fA-F]{2})?", digits):
            raise ValueError("a colour is rgb, rrggbb or rrggbbaa in hexadecimal, for instance ff8800")
        return cls(*bytes.fromhex(digits))

    def __str__(self) -> str:
        return bytes([*self.rgb, *([] if self.alpha == 255 else [self.alpha])]).hex()


WHITE = Colour(255, 255, 255)


class ImageId(Param):
    """The id of an uploaded image: a UUID in its usual form, in lower case."""

    __slots__ = ("value",)
    schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "format": "uuid",
        "examples": ["0198b2c4-8d1e-7a53-9f60-2b7c1d4e5f60"],
    }

    def __init__(self, value: str) -> None:
        self.value = value

    @classmethod
    def parse(cls, text: str) -> Self:
        if not re.fullmatch("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", text, re.IGNORECASE):
            raise ValueError("an image is named by its id, for instance 0198b2c4-8d1e-7a53-9f60-2b7c1d4e5f60")
        return cls(text.lower())

    def __str__(self) -> str:
        return self.value


def dec_hook(kind: type, value: Any) -> Any:
    """msgspec's dec_hook: parses a text into its parameter type. Raises ValueError, which msgspec turns into ValidationError."""
    if not issubclass(kind, Param):
        raise NotImplementedError(f"{kind.__name__} is not a Param")
    plain = isinstance(value, int) and "integer" in kind.schema["type"]
    return kind.parse(str(value) if plain or isinstance(value, str) else "")


def enc_hook(value: Any) -> str:
    """msgspec's enc_hook: serializes a parameter to its text."""
    if not isinstance(value, Param):
        raise NotImplementedError(f"{type(value).__name__} is not a Param")
    return str(value)


def schema_hook(kind: type) -> dict[str, Any]:
    """msgspec's schema_hook: a parameter type is a string with a pattern."""
    if not issubclass(kind, Param):
        raise NotImplementedError(f"{kind.__name__} is not a Param")
    return dict(kind.schema)
