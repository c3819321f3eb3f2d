"""The settings of tokens."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from msgspec import Struct

from internal.domain.identity import Scope
from internal.domain.urls import is_secure
from internal.runtime.secret import Secret
from internal.runtime.section import SettingsError, env

ALGORITHMS = ("HS256", "RS256", "PS256", "ES256", "EdDSA")

MIN_HMAC_BYTES = 32
"""Of HS256: RFC 7518, 3.2."""

NO_TYP = "jwt"
"""`JWT` says no more of a token than that it is one: who takes it takes tokens without `typ` too."""


class JwtSettings(Struct, frozen=True, forbid_unknown_fields=True):
    issuer: Annotated[str, env("JWT_ISSUER", "Issuer of the tokens: their `iss`. Its keys are found by discovery.")]
    audience: Annotated[
        str, env("JWT_AUDIENCE", "Name of this service in the `aud` of tokens. Of several, with commas, one is enough.")
    ]
    algorithms: Annotated[
        str, env("JWT_ALGORITHMS", "Algorithms that are taken, with commas: RS256, PS256, ES256, EdDSA, HS256.", min_length=1)
    ]
    types: Annotated[
        str,
        env(
            "JWT_TYPES",
            "Values of `typ` that are taken, with commas. JWT takes tokens without `typ` too; ID tokens are such tokens.",
            min_length=1,
        ),
    ]
    owner_claim: Annotated[str, env("JWT_OWNER_CLAIM", "Claim whose value is the owner of what is uploaded.", min_length=1)]
    scope_map: Annotated[
        dict[str, str],
        env(
            "JWT_SCOPE_MAP",
            "The issuer's scopes, and which of ours each stands for. In the environment: a JSON object.",
        ),
    ]
    leeway_seconds: Annotated[
        float, env("JWT_LEEWAY_SECONDS", "How far the issuer's clock may be off, in seconds.", ge=0, le=300)
    ]
    max_seconds: Annotated[
        float,
        env(
            "JWT_MAX_SECONDS",
            "Longest lifetime of a token, in seconds. Revocations are kept for as long.",
            gt=0,
        ),
    ]
    secret: Annotated[Secret, env("JWT_SECRET", "Secret of HS256, at least 32 bytes.")]
    public_keys: Annotated[
        str, env("JWT_PUBLIC_KEYS", "Files with public keys in PEM, with commas: PATH, or KID=PATH. Read at the start.")
    ]
    jwks_url: Annotated[
        str, env("JWT_JWKS_URL", "Address of the issuer's JWK Set. Empty: by discovery, unless JWT_PUBLIC_KEYS is set.")
    ]
    jwks_refresh_seconds: Annotated[
        float, env("JWT_JWKS_REFRESH_SECONDS", "Age at which the JWK Set is fetched again in the background, in seconds.", gt=0)
    ]
    jwks_cooldown_seconds: Annotated[
        float,
        env("JWT_JWKS_COOLDOWN_SECONDS", "Shortest time between two attempts to fetch the JWK Set, in seconds.", gt=0),
    ]
    jwks_stale_seconds: Annotated[
        float,
        env("JWT_JWKS_STALE_SECONDS", "How long a JWK Set is used while it can't be fetched again, in seconds.", gt=0),
    ]
    allow_http: Annotated[bool, env("JWT_ALLOW_HTTP", "Fetch the issuer's documents over http too. From this machine always.")]
    ca_file: Annotated[
        str, env("JWT_CA_FILE", "File with the CA certificates for the issuer's server, in PEM. Empty: the system's.")
    ]

    @property
    def valid_seconds(self) -> float:
        """How long the longest token is taken, with both clocks as far off as they may be."""
        return self.max_seconds + 2 * self.leeway_seconds

    def validate(self) -> None:
        """The values fit each other: every algorithm has its keys, and every key an algorithm."""
        algorithms = self.algorithm_names
        needed = {"ISSUER": self.issuer, "AUDIENCE": self.audiences, "ALGORITHMS": algorithms, "TYPES": self.taken_types}
        for name, value in needed.items():
            if not value:
                raise SettingsError(f"JWT_{name}: AUTH_MODE takes tokens, and this is empty. docs/api/tokens.md says what to set")
        for name in algorithms:
            if name not in ALGORITHMS:
                raise SettingsError(f"JWT_ALGORITHMS: {name} is none of {', '.join(ALGORITHMS)}")
        if ("HS256" in algorithms) != bool(self.secret):
            raise SettingsError("JWT_SECRET and HS256 in JWT_ALGORITHMS belong together: set both, or none")
        if self.secret and (length := len(self.secret.reveal().encode())) < MIN_HMAC_BYTES:
            raise SettingsError(f"JWT_SECRET has {length} bytes; HS256 needs at least {MIN_HMAC_BYTES}")
        self._validate_sources(algorithms)
        _ = self.scopes

    def _validate_sources(self, algorithms: Sequence[str]) -> None:
        if self.public_keys and self.jwks_url:
            raise SettingsError("JWT_PUBLIC_KEYS and JWT_JWKS_URL are both set: set one of them")
        if set(algorithms) == {"HS256"} and (self.public_keys or self.jwks_url):
            raise SettingsError("JWT_ALGORITHMS: HS256 alone takes neither JWT_PUBLIC_KEYS nor JWT_JWKS_URL")
        if self.fetches_keys:
            name, url = ("JWT_JWKS_URL", self.jwks_url) if self.jwks_url else ("JWT_ISSUER", self.issuer)
            if not is_secure(url, allow_http=self.allow_http):
                hint = (
                    "" if self.jwks_url else "; without JWT_PUBLIC_KEYS or JWT_JWKS_URL the keys are found by discovery from it"
                )
                raise SettingsError(f"{name}: {url!r} is no https address (http: JWT_ALLOW_HTTP){hint}")

    @property
    def fetches_keys(self) -> bool:
        """True if the keys come from the issuer's JWK Set."""
        return not self.public_keys and set(self.algorithm_names) != {"HS256"}

    @property
    def algorithm_names(self) -> Sequence[str]:
        return _list(self.algorithms)

    @property
    def audiences(self) -> Sequence[str]:
        return _list(self.audience)

    @property
    def taken_types(self) -> frozenset[str]:
        """Values of `typ` in lower case, without `application/`; "" for a token that has none."""
        names = {name.lower().removeprefix("application/") for name in _list(self.types)}
        return frozenset(names | {""} if NO_TYP in names else names)

    @property
    def key_files(self) -> Sequence[tuple[str | None, str]]:
        """`kid` and path of each file. Without a `kid` the key is for tokens whose `kid` no key has."""
        return [(kid or None, path) if found else (None, kid) for kid, found, path in map(_split, _list(self.public_keys))]

    @property
    def scopes(self) -> Mapping[str, frozenset[Scope]]:
        """Ours under their own names, unless the map names them, and those of the map. Raises SettingsError."""
        mapped = {scope.value: frozenset({scope}) for scope in Scope}
        for theirs, ours in self.scope_map.items():
            try:
                mapped[theirs] = frozenset(Scope(name) for name in ours.split())
            except ValueError as error:
                known = ", ".join(Scope)
                raise SettingsError(f"JWT_SCOPE_MAP: {theirs!r} stands for {ours!r}; our scopes are {known}") from error
        return mapped


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _split(text: str) -> tuple[str, str, str]:
    return text.partition("=")
