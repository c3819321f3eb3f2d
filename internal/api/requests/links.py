"""A signed link in a request: what its query claims, before anybody believes it."""

from typing import Any

from litestar.connection import ASGIConnection
from msgspec import Struct

from internal.domain.errors import LinkInvalid
from internal.identity.links import LinkGrant

LINK_PARAMETERS = ("expires", "kid", "sig")
"""Query parameters of links alone: a request with any of them is judged as a link."""

_ALLOWED = frozenset({"rendition", "disposition", *LINK_PARAMETERS})


class ClaimedLink(Struct, frozen=True):
    """A link as a request has it, not verified."""

    grant: LinkGrant
    signature: str


def claimed_link(connection: ASGIConnection[Any, Any, Any, Any]) -> ClaimedLink | None:
    """The link of the request; None if its query has none of LINK_PARAMETERS. Raises LinkInvalid for what we never make.

    INVARIANT: what is verified is what the handler reads: a parameter that comes twice, or that a link does not have, makes none
    (tests/unit/identity/test_guard.py::test_a_link_can_not_be_extended).
    """
    pairs = list(connection.query_params.multi_items())
    query = dict(pairs)
    if not query.keys() & set(LINK_PARAMETERS):
        return None
    if len(query) < len(pairs) or not set(LINK_PARAMETERS) <= query.keys() <= _ALLOWED:
        raise LinkInvalid
    grant = LinkGrant(connection.scope["path"], query.get("rendition"), query.get("disposition"), query["expires"], query["kid"])
    return ClaimedLink(grant, query["sig"])
