"""A text that is never shown: a password, a token, a key to sign with."""

import hmac
from typing import Any, NoReturn


class Secret:
    """A secret text. Only `reveal()` shows it: `str`, `repr`, formats, tracebacks and logs show whether it is set.

    A setting of this type is declared as every other one: `password: Annotated[Secret, env("DB_PASSWORD", "…")]`. The loader
    reads it from its variable, or from the file that the variable with `_FILE` behind its name points to.

    INVARIANT: it can't be serialized, so that none reaches a file, a log line or an answer by accident
    (tests/unit/runtime/test_secret.py).
    """

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        if not isinstance(text, str):
            raise TypeError("expected a text, in quotes")
        self._text = text

    def reveal(self) -> str:
        """The text itself: for the call that needs it, at the last moment."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        """Compares in constant time."""
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(set)" if self._text else "Secret(empty)"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a secret is not serialized")


NO_SECRET = Secret()
"""A secret that is not set."""
