"""Identities for tests whose subject is another one."""

from internal.domain.identity import Credential, Principal, Scope
from internal.identity.authenticator import Authenticator


class NamedScopes:
    """Takes scopes as a key: `read`, `write,admin`. The owner is `ops`."""

    async def verify(self, credential: str) -> Principal:
        scopes = frozenset(Scope(f"images:{word}") for word in credential.split(","))
        return Principal("ops", scopes, Credential.KEY, "0192")


BY_SCOPES = Authenticator({Credential.KEY: NamedScopes()})

EVERY_SCOPE = {"x-api-key": "read,write,admin"}
"""The header that BY_SCOPES takes for all three."""
