"""Text parameter: free text that may contain the grammar's own characters, percent-encoded."""

import re
from typing import Any, ClassVar, Self
from unicodedata import category
from urllib.parse import quote, unquote

from internal.pipeline.operations.params import Param

MAX_CHARACTERS = 200


class Text(Param):
    """Text to draw, percent-encoded (UTF-8) where it contains characters of the grammar: `Hello%2C world`, `100%25`.

    `%`, `|`, `,`, `=`, `[`, `]`, a space at either end, a line break and other characters that are not printable must be encoded;
    any other character may be. The same holds in the JSON form. Encoded characters are never trimmed.
    """

    __slots__ = ("value",)
    schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "pattern": "^([^%]|%[0-9a-fA-F]{2})+$",
        "examples": ["Hello%2C world", "100%25"],
    }

    def __init__(self, value: str) -> None:
        if not 1 <= len(value) <= MAX_CHARACTERS or not value.strip():
            raise ValueError(f"a text has from 1 to {MAX_CHARACTERS} characters, not all of them spaces")
        if any(category(letter) in ("Cc", "Cs") for letter in value if letter != "\n"):
            raise ValueError("a text can't contain control characters, except the line break %0A")
        self.value = value

    @classmethod
    def parse(cls, text: str) -> Self:
        if re.search("%(?![0-9a-fA-F]{2})", text):
            raise ValueError("in a text, % begins an encoded character, as in %2C for a comma; write %25 for % itself")
        try:
            return cls(unquote(text, errors="strict"))
        except UnicodeError as error:
            raise ValueError("encoded characters in a text are UTF-8, for instance %C3%A9") from error

    def __str__(self) -> str:
        inner = self.value.strip(" ")
        before = len(self.value) - len(self.value.lstrip(" "))
        after = len(self.value) - before - len(inner)
        return "%20" * before + "".join(map(_encode, inner)) + "%20" * after


def _encode(letter: str) -> str:
    return quote(letter, safe="") if letter in "%|,=[]" or not letter.isprintable() else letter
