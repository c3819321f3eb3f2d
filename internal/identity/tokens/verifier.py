"""Tokens: signed JWTs of a configured issuer, as an OAuth 2.0 resource server takes them (RFC 9068, RFC 8725, RFC 6750).

A token is read, then verified with a key that is bound to a configured algorithm, then its claims are checked. What was found out
is remembered for as long as the token is valid, the keys are the same, and nobody revokes a token (revoked.py).
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

import jwt
from jwt.types import Options
from msgspec import Struct, UnsetType

from internal.domain.errors import Unauthenticated
from internal.domain.identity import Credential, Principal, Scope
from internal.domain.owner import MAX_OWNER, is_owner
from internal.domain.revocation import MAX_JTI, is_jti
from internal.identity.tokens.form import UnverifiedToken, parse_token, refused, shown
from internal.identity.tokens.keys import MAX_CANDIDATES, KeySet, VerificationKey
from internal.identity.tokens.revoked import Revocations

MAX_REMEMBERED = 10_000
"""Tokens that a process remembers: some megabytes."""


OPTIONS: Options = {
    "require": ["exp", "iss", "aud"],
    "enforce_minimum_key_length": True,
    "verify_sub": False,  # the claim that is the owner may be another; it is checked in any case
}


class KeySource(Protocol):
    """Where the keys come from."""

    def current(self) -> KeySet:
        """The keys as they are now, without waiting. Raises TokenKeysUnavailable."""

    async def look_for(self, kid: str | UnsetType) -> None:
        """See whether there are newer keys, if this one is not known and it is time to look."""


class FixedKeys(Struct, frozen=True):
    """Keys of the configuration, which stay as they are."""

    keys: KeySet

    def current(self) -> KeySet:
        return self.keys

    async def look_for(self, kid: str | UnsetType) -> None:
        """There are no others."""


class TokenPolicy(Struct, frozen=True):
    """What a token must be, from the configuration.

    `types`: taken values of `typ`, in lower case and without `application/`; "" for none. `scopes`: their scopes to ours. Times
    in seconds; `max_lifetime`: from `iat` (without: from now) to `exp`.
    """

    algorithms: Sequence[str]
    issuer: str
    audiences: Sequence[str]
    types: frozenset[str]
    scopes: Mapping[str, frozenset[Scope]]
    owner_claim: str = "sub"
    leeway: float = 10
    max_lifetime: float = 604_800


class _Verified(Struct):
    """A token that was verified with one of `keys`. `change`: the last revocation with which it was compared, 0 for none."""

    principal: Principal
    keys: KeySet
    expires_at: float
    issued_at: float | None
    change: int = 0


class TokenVerifier:
    """Verifies tokens. `clock` is the time in seconds since 1970."""

    def __init__(
        self, policy: TokenPolicy, keys: KeySource, revocations: Revocations, clock: Callable[[], float] = time.time
    ) -> None:
        self._policy = policy
        self._keys = keys
        self._revocations = revocations
        self._clock = clock
        self._remembered: OrderedDict[bytes, _Verified] = OrderedDict()

    async def verify(self, credential: str) -> Principal:
        """The principal of the token. Raises Unauthenticated, TokenKeysUnavailable and DatabaseUnavailable.

        INVARIANT: a remembered token is refused when it has expired, is revoked, or its key is gone
        (tests/unit/identity/tokens/test_remembered.py).
        """
        digest = hashlib.sha256(credential.encode("utf-8", "surrogatepass")).digest()
        verified = self._remembered.get(digest)
        if verified is None or verified.keys is not self._keys.current():
            verified = await self._verify(credential)
            self._remember(digest, verified)
        elif self._clock() >= verified.expires_at + self._policy.leeway:
            raise _expired(verified.expires_at)
        else:
            self._remembered.move_to_end(digest)
        await self._refuse_revoked(verified)
        return verified.principal

    def _remember(self, digest: bytes, verified: _Verified) -> None:
        self._remembered[digest] = verified
        if len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)

    async def _refuse_revoked(self, verified: _Verified) -> None:
        change = await self._revocations.latest_change()
        if change != verified.change:
            principal = verified.principal
            if await self._revocations.is_revoked(principal.credential_id, principal.owner, verified.issued_at):
                raise refused("The token is revoked.")
            verified.change = change

    async def _verify(self, credential: str) -> _Verified:
        token = parse_token(credential)
        self._check_header(token)
        kid = token.header.kid
        await self._keys.look_for(kid)
        keys = self._keys.current()
        candidates = keys.candidates(token.header.alg, kid)
        if not candidates or len(candidates) > MAX_CANDIDATES:
            raise refused(_no_key(keys.knows(kid), len(candidates)))
        self._check_signature_and_claims(token, candidates)
        self._check_lifetime(token)
        issued_at = token.claims.iat
        return _Verified(
            self._principal(token), keys, int(token.claims.exp), None if isinstance(issued_at, UnsetType) else issued_at
        )

    def _check_header(self, token: UnverifiedToken) -> None:
        """The algorithm and the type are of the configuration's. Raises Unauthenticated."""
        header, policy = token.header, self._policy
        if header.alg not in policy.algorithms:
            raise refused(f"The token's alg is {shown(header.alg)}; this service takes {', '.join(policy.algorithms)}.")
        kind = "" if isinstance(header.typ, UnsetType) else header.typ.lower().removeprefix("application/")
        if kind not in policy.types:
            taken = ", ".join(sorted(name for name in policy.types if name))
            said = f"typ is {shown(header.typ)}" if isinstance(header.typ, str) else "header has no typ"
            raise refused(f"The token's {said}; this service takes {taken} (JWT_TYPES).")

    def _check_signature_and_claims(self, token: UnverifiedToken, candidates: Sequence[VerificationKey]) -> None:
        """Signature, `exp`, `nbf`, `iat`, `iss` and `aud`. Raises Unauthenticated."""
        for key in candidates:
            try:
                jwt.decode(
                    token.text,
                    key.key,
                    algorithms=[key.algorithm],
                    audience=self._policy.audiences,
                    issuer=self._policy.issuer,
                    leeway=self._policy.leeway,
                    options=OPTIONS,
                )
            except jwt.InvalidSignatureError:
                continue
            except jwt.PyJWTError as error:
                raise self._refusal(error, token) from error
            return
        raise refused("The token's signature does not fit the key of its issuer.")

    def _refusal(self, error: jwt.PyJWTError, token: UnverifiedToken) -> Unauthenticated:
        """What is wrong with a claim. The signature is right: what the token says may be told to who sent it."""
        claims = token.claims
        match error:
            case jwt.ExpiredSignatureError():
                return _expired(claims.exp)
            case jwt.ImmatureSignatureError():
                begins = max(time for time in (claims.nbf, claims.iat) if not isinstance(time, UnsetType))
                return refused(f"The token is valid from {_date(begins)} on, and it is {_date(self._clock())}.")
            case jwt.InvalidAudienceError() | jwt.MissingRequiredClaimError(claim="aud"):
                return refused(f"The token's aud is another service: it has to be {' or '.join(self._policy.audiences)}.")
            case jwt.InvalidIssuerError():
                return refused(f"The token's iss is another issuer: it has to be {self._policy.issuer}.")
        return refused("The token can't be verified.")

    def _check_lifetime(self, token: UnverifiedToken) -> None:
        """A token is not longer than its revocation is kept. Raises Unauthenticated."""
        claims = token.claims
        begins = self._clock() if isinstance(claims.iat, UnsetType) else claims.iat
        if claims.exp - begins > self._policy.max_lifetime:
            raise refused(
                f"The token is valid for {claims.exp - begins:.0f} s; this service takes at most "
                f"{self._policy.max_lifetime:.0f} s (JWT_MAX_SECONDS)."
            )

    def _principal(self, token: UnverifiedToken) -> Principal:
        claims, policy = token.claims, self._policy
        owner = token.payload.get(policy.owner_claim)
        if not isinstance(owner, str) or not is_owner(owner):
            raise refused(
                f"The token's {policy.owner_claim}, its owner, has to be a text of 1 to {MAX_OWNER} printable characters."
            )
        jti = None if isinstance(claims.jti, UnsetType) else claims.jti
        if jti is not None and not is_jti(jti):
            raise refused(f"The token's jti has to be a text of at most {MAX_JTI} printable characters.")
        names = [name for claim in (claims.scope, claims.scp) for name in _names(claim)]
        scopes = frozenset(scope for name in names for scope in policy.scopes.get(name, ()))
        return Principal(owner, scopes, Credential.JWT, jti)


def _names(claim: str | list[str] | UnsetType) -> Sequence[str]:
    """The scopes of a claim: a text with spaces between them (RFC 8693, 4.2), or a list."""
    if isinstance(claim, UnsetType):
        return ()
    return claim.split(" ") if isinstance(claim, str) else claim


def _no_key(known: bool, count: int) -> str:
    if count:
        return f"The token names no key (kid), and there are {count} that it may have been signed with."
    if known:
        return "There is no key for this token's alg."
    return "The token is signed with a key (kid) that this service does not know."


def _expired(at: float) -> Unauthenticated:
    return refused(f"The token expired at {_date(at)}.")


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
