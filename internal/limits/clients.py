"""Whose limits count for a request: its owner's, or without one its address's."""

from internal.domain.identity import Credential, Principal

WITH_OWNER = frozenset({Credential.KEY, Credential.JWT})
"""Credentials that show who sends a request. A link or a public image is read by anybody."""


def client_of(principal: Principal | None, address: str) -> str:
    """The name of a client's buckets. `principal`: None if the request's credential was refused.

    `address`: as internal/http/server/connections.py counts it: an IPv4 address, or the /64 network of an IPv6 address.
    """
    if principal is not None and principal.credential in WITH_OWNER:
        return client_of_owner(principal.owner)
    return f"address:{address}"


def client_of_owner(owner: str) -> str:
    return f"owner:{owner}"
