"""The form of a token: a JWS in compact form (RFC 7515), read strictly before any cryptography. Nothing of it is trusted yet."""

import base64
import binascii
import json
import re
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from internal.domain.errors import Unauthenticated

T = TypeVar("T")

MAX_TOKEN_BYTES = 8192
"""More than a token in a header field has. What is larger is refused unread."""

YEAR_9999 = 253_402_300_799
"""The last second that a date can show."""

NumericDate = Annotated[int, Meta(ge=0, le=YEAR_9999)] | Annotated[float, Meta(ge=0, le=YEAR_9999)]
"""Seconds since 1970, as a JSON number (RFC 7519, 2). A text is none, although `int()` reads it."""

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_SHOWN = re.compile(r"[A-Za-z0-9+./-]{1,40}")


class Header(Struct, frozen=True):
    """The members of a token's header that count. Others are ignored, above all those that bring a key: jwk, jku, x5u, x5c."""

    alg: str
    typ: str | UnsetType = UNSET
    kid: str | UnsetType = UNSET
    cty: str | UnsetType = UNSET
    crit: Any = UNSET
    b64: Any = UNSET


class Claims(Struct, frozen=True):
    """The claims that count, with the types of RFC 7519 and 9068. A claim that is null has the wrong type."""

    iss: str
    aud: str | list[str]
    exp: NumericDate
    nbf: NumericDate | UnsetType = UNSET
    iat: NumericDate | UnsetType = UNSET
    jti: str | UnsetType = UNSET
    scope: str | UnsetType = UNSET
    scp: str | list[str] | UnsetType = UNSET


class UnverifiedToken(Struct, frozen=True):
    """A token that has the right form. `payload`: all of its claims, by name."""

    text: str
    header: Header
    claims: Claims
    payload: dict[str, Any]


def refused(detail: str) -> Unauthenticated:
    """The error for a token that is not taken."""
    return Unauthenticated(detail, rejected=True)


def shown(text: str) -> str:
    """A short word of a token's, as it may stand in an answer."""
    return f"`{text}`" if _SHOWN.fullmatch(text) else "not one that can be shown"


def parse_token(text: str) -> UnverifiedToken:
    """Read a token. Raises Unauthenticated for one that has another form, or asks for what this service does not know."""
    if len(text) > MAX_TOKEN_BYTES:
        raise refused(f"The token has more than {MAX_TOKEN_BYTES} bytes.")
    if not _COMPACT.fullmatch(text):
        if text.count(".") == 4:
            raise refused("The token is encrypted. This service takes signed ones.")
        raise refused("The token is not a signed JWT: three parts in base64url with dots between them.")
    first, second, _ = text.split(".")
    header = _convert(_json_object(first, "header"), Header, "header")
    if header.crit is not UNSET or header.b64 is not UNSET:
        raise refused("The token's header names critical extensions. This service knows none.")
    if isinstance(header.cty, str) and header.cty.lower().removeprefix("application/").endswith("jwt"):
        raise refused("The token holds another token. This service takes none that are nested.")
    payload = _json_object(second, "payload")
    return UnverifiedToken(text, header, _convert(payload, Claims, "payload"), payload)


def _convert(value: dict[str, Any], kind: type[T], part: str) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise refused(f"The token's {part} can't be read: {_reason(error)}.") from error


def _reason(error: msgspec.ValidationError) -> str:
    """What msgspec says, with the claim first: "`exp`: expected `int | float`, got `null`"."""
    message, _, path = str(error).partition(" - at `$.")
    message = message[:1].lower() + message[1:]
    name = path.rstrip("`").partition("[")[0]
    return f"`{name}`: {message}" if name else message.replace("object missing", "it lacks")


def _json_object(part: str, name: str) -> dict[str, Any]:
    try:
        content = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
        value = json.loads(content.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (binascii.Error, ValueError, RecursionError) as error:  # a UnicodeDecodeError is a ValueError
        raise refused(f"The token's {name} is not JSON with unique names, in base64url.") from error
    if not isinstance(value, dict):
        raise refused(f"The token's {name} is not a JSON object.")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """RFC 7515, 4 and RFC 7519, 4: a member that comes twice is read in one way by one program, and in another by the next."""
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a name comes twice")
    return members


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
