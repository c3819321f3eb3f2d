"""A connection that waits for no answer for ever."""

from functools import cached_property
from typing import Any, Self

import psycopg
from psycopg import AsyncConnection
from psycopg.abc import RV, PQGen
from psycopg.errors import _WaitTimeout
from psycopg.rows import Row

CANCEL_SECONDS = 1.0


class BoundedConnection(AsyncConnection[Row]):
    """Closed, with an OperationalError, when an answer takes longer than the connection string's `tcp_user_timeout`.

    That is how long TCP waits for what it has sent to be acknowledged. A server that stands still acknowledges all the same, and
    its statement_timeout is its own to keep: so the answer itself gets as long.

    INVARIANT: a silent server costs a call a bounded time, and never its connection's place in the pool
    (tests/integration/test_postgres_network.py).
    """

    @classmethod
    async def connect(cls, conninfo: str = "", **options: Any) -> Self:
        """psycopg's error holds what was half open, in a circle that only the garbage collector ends, whenever it comes."""
        try:
            return await super().connect(conninfo, **options)
        except psycopg.Error as error:
            error.__traceback__ = error.__context__ = None
            raise

    @cached_property
    def _patience(self) -> float:
        return int(self.info.get_parameters()["tcp_user_timeout"]) / 1000

    async def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:  # noqa: ASYNC109 - psycopg's
        """For psycopg: all that a connection waits for, once it is open, goes through here. Who gives a `timeout` listens on."""
        try:
            return await super().wait(gen, interval, self._patience if timeout is None else timeout)
        except _WaitTimeout as error:  # a private name, because wait() raises nothing that has a public one (psycopg 3.3.9)
            if timeout is not None:
                raise
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer for {self._patience:g} seconds") from error

    async def cancel_safe(self, *, timeout: float = 30.0) -> None:  # noqa: ASYNC109 - psycopg's
        """For psycopg, which asks the server to end what a cancelled task waits for. In vain: nobody waits for that either."""
        try:
            await super().cancel_safe(timeout=min(timeout, CANCEL_SECONDS))
        except psycopg.Error:
            self.pgconn.finish()
            raise
