"""Free text as a parameter: words that may hold what belongs to the grammar."""

import re
from typing import Any, ClassVar, Self
from unicodedata import category
from urllib.parse import quote, unquote

from internal.pipeline.operations.params import Notation

MAX_LETTERS = 200


class Text(Notation):
    """Words to be shown, percent-encoded (UTF-8) where the grammar would take them for its own: `Hello%2C world`, `100%25`.

    `%` itself, `|`, `,`, `=`, `[`, `]`, a space at either end, a line break and all else that leaves no ink are written `%XX`;
    any other letter may be. The same holds in the JSON form. What is encoded is never trimmed.
    """

    __slots__ = ("value",)
    schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "pattern": "^([^%]|%[0-9a-fA-F]{2})+$",
        "examples": ["Hello%2C world", "100%25"],
    }

    def __init__(self, value: str) -> None:
        if not 1 <= len(value) <= MAX_LETTERS or not value.strip():
            raise ValueError(f"a text has from 1 to {MAX_LETTERS} letters, not all of them spaces")
        if any(category(letter) in ("Cc", "Cs") for letter in value if letter != "\n"):
            raise ValueError("a text can't hold control characters, but for the line break %0A")
        self.value = value

    @classmethod
    def parse(cls, text: str) -> Self:
        if re.search("%(?![0-9a-fA-F]{2})", text):
            raise ValueError("in a text, % begins a character's code, as in %2C for a comma; write %25 for the sign itself")
        try:
            return cls(unquote(text, errors="strict"))
        except UnicodeError as error:
            raise ValueError("the characters' codes in a text are those of UTF-8, for instance %C3%A9") from error

    def __str__(self) -> str:
        inner = self.value.strip(" ")
        before = len(self.value) - len(self.value.lstrip(" "))
        after = len(self.value) - before - len(inner)
        return "%20" * before + "".join(map(_written, inner)) + "%20" * after


def _written(letter: str) -> str:
    return quote(letter, safe="") if letter in "%|,=[]" or not letter.isprintable() else letter
