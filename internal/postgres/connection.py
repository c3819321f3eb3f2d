"""A connection whose wait for an answer is bounded."""

from functools import cached_property
from typing import Any, Self

import psycopg
from psycopg import AsyncConnection
from psycopg.abc import RV, PQGen
from psycopg.errors import _WaitTimeout
from psycopg.rows import Row

CANCEL_SECONDS = 1.0


class BoundedConnection(AsyncConnection[Row]):
    """Connection that is closed, with an OperationalError, if an answer takes longer than its `tcp_user_timeout`.

    `tcp_user_timeout` bounds how long TCP waits for an acknowledgement. A server that stands still acknowledges all the same, and
    does not run its own statement_timeout; so the wait for the answer gets the same bound.

    INVARIANT: a silent server costs a call a bounded time, and never its connection's place in the pool
    (tests/integration/test_postgres_network.py).
    """

    @classmethod
    async def connect(cls, conninfo: str = "", **options: Any) -> Self:
        """As psycopg's. The error drops its references to the half-open socket, which only the garbage collector would close."""
        try:
            return await super().connect(conninfo, **options)
        except psycopg.Error as error:
            error.__traceback__ = error.__context__ = None
            raise

    @cached_property
    def _patience(self) -> float:
        return int(self.info.get_parameters()["tcp_user_timeout"]) / 1000

    async def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:  # noqa: ASYNC109 - psycopg's
        """Called by psycopg for every wait of an open connection. With a `timeout` the caller goes on after it."""
        try:
            return await super().wait(gen, interval, self._patience if timeout is None else timeout)
        except _WaitTimeout as error:  # a private name, because wait() raises nothing that has a public one (psycopg 3.3.9)
            if timeout is not None:
                raise
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer for {self._patience:g} seconds") from error

    async def cancel_safe(self, *, timeout: float = 30.0) -> None:  # noqa: ASYNC109 - psycopg's
        """Called by psycopg to end the statement of a cancelled task. Bounded too, because the server may not answer."""
        try:
            await super().cancel_safe(timeout=min(timeout, CANCEL_SECONDS))
        except psycopg.Error:
            self.pgconn.finish()
            raise
