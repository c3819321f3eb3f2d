"""The wiring of tokens: where the keys come from, and what tokens must be."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from msgspec import Struct

from internal.domain.identity import Credential
from internal.identity.tokens.discovery import IssuerKeys
from internal.identity.tokens.jwks import JwksCache, JwksTimings, open_jwks
from internal.identity.tokens.keys import InvalidKey, KeySet, VerificationKey, jwks_keys, pem_key, secret_key
from internal.identity.tokens.revoked import open_revocations
from internal.identity.tokens.settings import JwtSettings
from internal.identity.tokens.verifier import FixedKeys, KeySource, TokenPolicy, TokenVerifier
from internal.outgoing.documents import open_documents, tls_context
from internal.ports.repository.revoked_tokens import RevokedTokens
from internal.ports.signals import Signals
from internal.runtime.section import SettingsError
from internal.settings.sections import Settings


class Tokens(Struct, frozen=True):
    """What verifies tokens. `check` raises if the issuer's keys can't be fetched; None if they are configured."""

    verifier: TokenVerifier
    check: Callable[[], Awaitable[None]] | None = None


@asynccontextmanager
async def open_tokens(settings: JwtSettings, revoked: RevokedTokens, signals: Signals) -> AsyncIterator[Tokens]:
    """Open the verifier of tokens while the block runs, with its key set in the background. Raises SettingsError."""
    async with open_revocations(revoked, signals) as revocations:
        if not settings.fetches_keys:
            keys: KeySource = FixedKeys(KeySet(configured_keys(settings)))
            yield Tokens(TokenVerifier(policy_of(settings), keys, revocations))
            return
        async with _open_jwks(settings) as cache:
            yield Tokens(TokenVerifier(policy_of(settings), cache, revocations), cache.check)


@asynccontextmanager
async def _open_jwks(settings: JwtSettings) -> AsyncIterator[JwksCache]:
    timings = JwksTimings(settings.jwks_refresh_seconds, settings.jwks_cooldown_seconds, settings.jwks_stale_seconds)
    read = partial(_with_document, configured_keys(settings), settings.algorithm_names)
    async with open_documents(_tls(settings), allow_http=settings.allow_http) as documents:
        issuer = IssuerKeys(documents, settings.issuer, settings.jwks_url)
        async with open_jwks(JwksCache(issuer.fetch, read, timings)) as cache:
            yield cache


def _with_document(configured: Sequence[VerificationKey], algorithms: Sequence[str], document: bytes) -> KeySet:
    return KeySet([*configured, *jwks_keys(document, algorithms).keys])


def refuse_unusable_keys(settings: Settings) -> None:
    """Raise SettingsError for a secret or a file that can't be used, before anything starts."""
    if Credential.JWT in settings.auth.kinds:
        configured_keys(settings.jwt)
        _tls(settings.jwt)


def configured_keys(settings: JwtSettings) -> Sequence[VerificationKey]:
    """The secret and the public keys of the settings. Raises SettingsError."""
    try:
        keys = [secret_key(settings.secret.reveal())] if settings.secret else []
    except InvalidKey as error:
        raise SettingsError(f"JWT_SECRET {error}") from None
    for kid, path in settings.key_files:
        try:
            keys.append(pem_key(Path(path).read_bytes(), kid, settings.algorithm_names))
        except OSError as error:
            raise SettingsError(f"JWT_PUBLIC_KEYS: {path} can't be read: {error.strerror}") from error
        except InvalidKey as error:
            raise SettingsError(f"JWT_PUBLIC_KEYS: {path} {error}") from error
    return keys


def _tls(settings: JwtSettings) -> ssl.SSLContext:
    try:
        return tls_context(settings.ca_file)
    except OSError as error:
        raise SettingsError(f"JWT_CA_FILE: {settings.ca_file} can't be read: {error}") from error


def policy_of(settings: JwtSettings) -> TokenPolicy:
    return TokenPolicy(
        algorithms=settings.algorithm_names,
        issuer=settings.issuer,
        audiences=settings.audiences,
        types=settings.taken_types,
        scopes=settings.scopes,
        owner_claim=settings.owner_claim,
        leeway=settings.leeway_seconds,
        max_lifetime=settings.max_seconds,
    )
