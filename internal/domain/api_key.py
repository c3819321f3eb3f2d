"""API keys: their form, and what is kept of them.

A key is `imgp_`, 43 base62 digits with 256 random bits, and 6 base62 digits of the CRC-32 over what stands before. `imgp_` is for
scanners that look for leaked secrets; the checksum tells a mistyped key without a look-up. Base62: `0-9A-Za-z`, the highest digit
first. Kept are the SHA-256 of the whole key (no slow hash: 256 random bits can't be guessed) and its first characters.
"""

import hashlib
import re
import secrets
import zlib
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from internal.domain.identity import Scope

KEY_PREFIX = "imgp_"
"""API keys begin with it, and no token does."""

SECRET_DIGITS, CHECKSUM_DIGITS = 43, 6

PREFIX_LENGTH = len(KEY_PREFIX) + 8
"""Characters of a key that lists show. 208 of the 256 random bits stay unknown."""

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FORM = re.compile(f"{KEY_PREFIX}[0-9A-Za-z]{{{SECRET_DIGITS + CHECKSUM_DIGITS}}}")


class ApiKey(Struct, frozen=True):
    """A key as it is shown: without its secret. `prefix`: its first characters. `name` is for people, and may be empty."""

    id: UUID
    name: str
    owner: str
    scopes: tuple[Scope, ...]
    prefix: str
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


def new_secret_key() -> str:
    """A new key, which nobody has seen yet."""
    return key_of(secrets.randbits(256))


def key_of(secret: int) -> str:
    """The key whose 256 bits are `secret`."""
    begin = KEY_PREFIX + _base62(secret, SECRET_DIGITS)
    return begin + _checksum(begin)


def is_well_formed(key: str) -> bool:
    """True if the key has the form of one and its checksum fits. A key that is mistyped or cut short does not."""
    return _FORM.fullmatch(key) is not None and _checksum(key[:-CHECKSUM_DIGITS]) == key[-CHECKSUM_DIGITS:]


def prefix_of(key: str) -> str:
    return key[:PREFIX_LENGTH]


def hash_of(key: str) -> bytes:
    """SHA-256 of the whole key, 32 bytes."""
    return hashlib.sha256(key.encode()).digest()


def _checksum(begin: str) -> str:
    return _base62(zlib.crc32(begin.encode()), CHECKSUM_DIGITS)


def _base62(number: int, width: int) -> str:
    """The number in base62, with leading zeros to `width` digits."""
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
