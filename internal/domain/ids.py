"""New ids."""

from uuid import UUID

import uuid_utils.compat


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): unique without asking anybody, and close in time means close in every index."""
    return uuid_utils.compat.uuid7()
