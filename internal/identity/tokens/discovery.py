"""Where an issuer has its key set: OpenID Connect Discovery 1.0, and RFC 8414."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from internal.ports.outgoing import FetchFailed, Outgoing


class IssuerKeys(Struct, frozen=True):
    """The key set of `issuer`. `url`: its address; empty: the issuer's metadata name it."""

    outgoing: Outgoing
    issuer: str
    url: str = ""

    async def fetch(self) -> bytes:
        """The key set's document. Raises FetchFailed, also for metadata of another issuer."""
        return await self.outgoing.fetch(self.url or await self._discover())

    async def _discover(self) -> str:
        """The `jwks_uri` of the first metadata that there are. Asked anew each time: an issuer may move its keys."""
        missing: FetchFailed | None = None
        for address in metadata_urls(self.issuer):
            try:
                return self._jwks_uri(await self.outgoing.fetch(address), address)
            except FetchFailed as error:
                if error.status != 404:
                    raise
                missing = missing or error
        raise missing or FetchFailed(f"{self.issuer} has no metadata")

    def _jwks_uri(self, document: bytes, address: str) -> str:
        try:
            metadata = msgspec.json.decode(document, type=_Metadata)
        except msgspec.DecodeError as error:
            raise FetchFailed(f"{address} is no metadata of an issuer: {error}") from error
        if metadata.issuer != self.issuer:  # RFC 8414, 3.3: else it could speak for an issuer that it is not
            raise FetchFailed(f"{address} belongs to the issuer {metadata.issuer!r}, and JWT_ISSUER is {self.issuer!r}")
        return metadata.jwks_uri


class _Metadata(Struct, frozen=True):
    issuer: str
    jwks_uri: str


def metadata_urls(issuer: str) -> Iterator[str]:
    """OpenID Connect appends to the issuer; RFC 8414 inserts between host and path."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    origin = f"{parts.scheme}://{parts.netloc}"
    yield f"{origin}{path}/.well-known/openid-configuration"
    yield f"{origin}/.well-known/oauth-authorization-server{path}"
