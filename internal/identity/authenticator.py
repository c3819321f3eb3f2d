"""From a request's credentials to its principal."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from internal.domain.api_key import KEY_PREFIX
from internal.domain.errors import InvalidRequest, Unauthenticated
from internal.domain.identity import ANYBODY, Credential, Principal


class Verifier(Protocol):
    """Knows one kind of credential."""

    async def verify(self, credential: str) -> Principal:
        """The principal that it belongs to. Raises Unauthenticated, and DatabaseUnavailable."""


class Authenticator(Struct, frozen=True):
    """Finds out who sends a request. `verifiers`: by kind of credential; without any, everybody is ANYBODY (AUTH_MODE=none)."""

    verifiers: Mapping[Credential, Verifier] = {}

    @property
    def asks(self) -> bool:
        """Whether a request needs a credential at all."""
        return bool(self.verifiers)

    async def authenticate(self, authorization: Sequence[str], api_keys: Sequence[str]) -> Principal:
        """`authorization` and `api_keys`: the values of the headers Authorization and X-API-Key.

        Raises Unauthenticated for a credential that is missing, wrong, or of a kind that this service does not take,
        InvalidRequest for several (RFC 6750, 2), and DatabaseUnavailable.
        """
        if not self.verifiers:
            return ANYBODY
        if len(authorization) + len(api_keys) > 1:
            raise InvalidRequest("Send one credential: either `Authorization: Bearer …` or `X-API-Key`, once.")
        if not authorization and not api_keys:
            raise Unauthenticated
        credential = api_keys[0] if api_keys else _bearer(authorization[0])
        kind = Credential.KEY if api_keys or credential.startswith(KEY_PREFIX) else Credential.JWT
        if kind not in self.verifiers:
            raise Unauthenticated(_NOT_TAKEN[kind], rejected=True)
        return await self.verifiers[kind].verify(credential)


_NOT_TAKEN = {
    Credential.KEY: "This service takes no API keys: send a token as `Authorization: Bearer …`.",
    Credential.JWT: f"This is no API key (they begin with `{KEY_PREFIX}`), and this service takes no tokens.",
}


def _bearer(authorization: str) -> str:
    """The credential of `Authorization: Bearer …`. The scheme is case-insensitive (RFC 9110, 11.1)."""
    scheme, _, credential = authorization.partition(" ")
    if scheme.lower() != "bearer" or not credential.strip():
        raise Unauthenticated
    return credential.strip()
