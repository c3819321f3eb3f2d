"""Signed links: who has one may read one picture until it expires, without a credential.

A link is the picture's own path with `expires`, `kid` and `sig` in its query. `sig` is HMAC-SHA-256 over all that the link
grants, with a key of LINK_KEYS. Nothing is stored: a link ends when it expires, when its key is removed, or with its image.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from internal.domain.errors import LinkInvalid, LinksDisabled
from internal.identity.settings import LinkKey

VERSION = "image-link-1"
"""The first item of the signed text. Another form of the text gets another version, so that no text is read in two ways."""


class LinkGrant(Struct, frozen=True):
    """All that a link grants: GET and HEAD of `path`, which has the image's id, until `expires`.

    The other fields are texts of the query, as they stand in the link; None is: not in it. `rendition` is None for the original,
    which has a path of its own. `expires` in seconds since 1970.
    """

    path: str
    rendition: str | None
    disposition: str | None
    expires: str
    kid: str


class LinkSigner(Struct, frozen=True):
    """Signs and verifies links. The first of `keys` signs, all of them verify; without any, no link is made and none is valid."""

    keys: Sequence[LinkKey] = ()

    @property
    def kid(self) -> str:
        """The name of the key that signs. Raises LinksDisabled."""
        if not self.keys:
            raise LinksDisabled
        return self.keys[0].kid

    def sign(self, grant: LinkGrant) -> str:
        """The signature of `grant`, whose `kid` is that of one of the keys: 43 characters of base64url."""
        secret = next(key.secret for key in self.keys if key.kid == grant.kid)
        return _signature(secret, grant)

    def verify(self, grant: LinkGrant, signature: str, *, now: float) -> None:
        """Raises LinkInvalid unless the signature is exactly that of `grant`, by a key that is still there, and not yet expired.

        `now` in seconds since 1970. Signatures are compared in constant time, and as texts: base64 has several for each.
        Nothing of the grant is read before it is known to be ours.
        """
        secret = next((key.secret for key in self.keys if key.kid == grant.kid), None)
        if secret is None or not hmac.compare_digest(_signature(secret, grant).encode(), signature.encode()):
            raise LinkInvalid
        if now >= int(grant.expires):
            raise LinkInvalid


def _signature(secret: bytes, grant: LinkGrant) -> str:
    """HMAC-SHA-256 over a JSON array, in which each text has its quotes and an absent one is null: no two grants share a text."""
    text = msgspec.json.encode([VERSION, grant.path, grant.rendition, grant.disposition, grant.expires, grant.kid])
    return base64.urlsafe_b64encode(hmac.digest(secret, text, hashlib.sha256)).decode().rstrip("=")
