"""Who sends a request, and what they may do."""

from enum import StrEnum

from msgspec import Struct

ANONYMOUS = "anonymous"
"""The owner of every image of a service that asks for no identity (AUTH_MODE=none)."""


class Scope(StrEnum):
    """What a credential allows. None includes another."""

    READ = "images:read"
    WRITE = "images:write"
    ADMIN = "images:admin"


class Credential(StrEnum):
    """How a request showed its identity."""

    NONE = "none"
    KEY = "key"
    JWT = "jwt"


class Principal(Struct, frozen=True):
    """The sender of a request: the owner whose images it is about, and the scopes that the credential has.

    `credential_id`: the id of the API key, or the `jti` of the token when it has one.
    """

    owner: str
    scopes: frozenset[Scope]
    credential: Credential
    credential_id: str | None = None


ANYBODY = Principal(ANONYMOUS, frozenset({Scope.READ, Scope.WRITE}), Credential.NONE)
"""The principal without identities. It is no admin: an open service may stand behind a proxy, which makes every address local."""


class Reader(Struct, frozen=True):
    """Who asks for a picture: an owner, who also sees what is public; the bearer of a verified link; or, with neither, nobody."""

    owner: str | None = None
    linked: bool = False


NOBODY = Reader()
"""A reader without a credential: sees what is public."""

LINK_BEARER = Reader(linked=True)
"""Sees what the link leads to, whoever its owner is. Only after the link was verified."""
