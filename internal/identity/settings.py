"""The settings of identity. Imports no other module of the room: each process reads the settings first."""

import base64
import binascii
import re
from typing import Annotated, Literal

from msgspec import Struct

from internal.runtime.secret import Secret
from internal.runtime.section import SettingsError, env

MIN_SECRET_BYTES = 32
"""As long as the hash is (RFC 2104, 3)."""

_KID = re.compile(r"[A-Za-z0-9_-]{1,32}")


class LinkKey(Struct, frozen=True):
    """A key that signs links. `kid`, its public name, is in every link that it signs."""

    kid: str
    secret: bytes

    def __repr__(self) -> str:
        return f"LinkKey({self.kid!r})"


class LinkSettings(Struct, frozen=True, forbid_unknown_fields=True):
    keys: Annotated[
        Secret,
        env(
            "LINK_KEYS",
            "Keys of signed links: ID:BASE64 of at least 32 bytes each, commas between them. The first signs, all verify. "
            "Empty: no links.",
        ),
    ]
    max_seconds: Annotated[int, env("LINK_MAX_SECONDS", "Longest life of a signed link, in seconds.", ge=1)]

    def validate(self) -> None:
        self.parsed_keys()

    def parsed_keys(self) -> tuple[LinkKey, ...]:
        """Raises SettingsError, which says what is wrong with which key and shows no secret."""
        try:
            return _parse(self.keys.reveal())
        except ValueError as error:
            raise SettingsError(f"LINK_KEYS: {error}") from None


class AuthSettings(Struct, frozen=True, forbid_unknown_fields=True):
    mode: Annotated[
        Literal["none", "key", "jwt", "key+jwt"],
        env("AUTH_MODE", "How clients show who they are: by API key, by token, by either, or not at all."),
    ]
    allow_anonymous: Annotated[
        bool,
        env(
            "AUTH_ALLOW_ANONYMOUS",
            "Let AUTH_MODE=none listen on addresses that other machines reach. Everybody may then read, add and delete images.",
        ),
    ]

    @property
    def kinds(self) -> list[str]:
        """The kinds of credentials that are taken, as domain.identity names them; without any, everybody is ANYBODY."""
        return [] if self.mode == "none" else self.mode.split("+")


def _parse(text: str) -> tuple[LinkKey, ...]:
    """Faults name a key by its place: what stands where an id should may be a secret."""
    keys: list[LinkKey] = []
    for number, item in enumerate(text.split(",") if text.strip() else (), 1):
        kid, colon, encoded = item.strip().partition(":")
        if not colon:
            raise ValueError(f"key {number} is not of the form kid:base64")
        if not _KID.fullmatch(kid):
            raise ValueError(f"the id of key {number} is not 1 to 32 letters, digits, `_` and `-`")
        if any(kid == key.kid for key in keys):
            raise ValueError(f"key {number} has the id of one before it")
        keys.append(LinkKey(kid, _secret(number, encoded)))
    return tuple(keys)


def _secret(number: int, encoded: str) -> bytes:
    """Only the standard alphabet, with its padding: a lenient reader makes another key of a wrong text, and says nothing."""
    try:
        secret = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"the secret of key {number} is not standard base64, such as `openssl rand -base64 32` prints") from None
    if len(secret) < MIN_SECRET_BYTES:
        raise ValueError(f"the secret of key {number} has {len(secret)} bytes, and needs at least {MIN_SECRET_BYTES}")
    return secret
