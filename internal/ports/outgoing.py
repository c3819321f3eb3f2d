"""The contract of outgoing requests: small documents from other servers."""

from typing import Protocol

from internal.domain.errors import ServiceError


class FetchFailed(ServiceError):
    """The document can't be had: the server does not answer, answers with an error or too much, or its address is not allowed.

    `status`: of an answer that was not 200, else None.
    """

    code = "fetch_failed"

    def __init__(self, detail: str | None = None, *, status: int | None = None) -> None:
        super().__init__(detail)
        self.status = status


class Outgoing(Protocol):
    """Gets small documents by URL. Adapter: internal/outgoing/documents.py."""

    async def fetch(self, url: str) -> bytes:
        """The body of a 200 to one GET of `url`, whole, of limited size and time. Raises FetchFailed."""
