"""The connections of one server: their limits, in all and per client address, and a check of each connection every second.

An idle connection never keeps a new one out: at the limit, the connection that has been idle longest is closed. If no connection
is idle, the new one is refused with a 503.
"""

import asyncio
from collections import Counter
from ipaddress import IPv6Address
from typing import Protocol

from msgspec import Struct

from internal.http.networks import Networks, address_from
from internal.http.server.deadlines import Deadlines


class ConnectionLimits(Struct, frozen=True):
    """`total`: connections of one process. `per_address`: how many of them one address may have that is none of the `proxies`."""

    total: int = 256
    per_address: int = 256
    deadlines: Deadlines = Deadlines()
    proxies: Networks = Networks()


class Connection(Protocol):
    """The part of a connection's protocol that the registry needs."""

    address: str
    is_proxy: bool
    """True if its peer is a trusted proxy, which stands for any number of clients."""

    @property
    def is_flushed(self) -> bool:
        """True if the client has received everything that was sent."""

    def check(self, seconds: float) -> None:
        """Compare it with the deadlines, `seconds` after the last check."""

    def close_idle(self) -> None:
        """Close it while it waits for a request, to make room for another one."""


class Connections:
    """The registry of one server's open connections."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._all: set[Connection] = set()
        self._idle: dict[Connection, None] = {}
        """Connections that wait for a request, the longest idle first. A client may still be reading the last answer."""
        self._addresses: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None
        self._checked_at = 0.0

    def add(self, connection: Connection) -> bool:
        """Register it, closing an idle connection if necessary. Returns False if the limit is reached and none is idle."""
        full_address = not connection.is_proxy and self._addresses[connection.address] >= self.limits.per_address
        if full_address or len(self._all) >= self.limits.total:
            of_address = connection.address if full_address else None
            victim = next((idle for idle in self._idle if of_address in (None, idle.address) and idle.is_flushed), None)
            if victim is None:
                return False
            self.remove(victim)
            victim.close_idle()
        self._all.add(connection)
        self._idle[connection] = None
        self._addresses[connection.address] += 1
        if self._timer is None:
            self._checked_at = asyncio.get_running_loop().time()
            self._schedule_check()
        return True

    def remove(self, connection: Connection) -> None:
        """Idempotent."""
        if connection in self._all:
            self._all.discard(connection)
            self._idle.pop(connection, None)
            self._addresses[connection.address] -= 1
            if not self._addresses[connection.address]:
                del self._addresses[connection.address]

    def mark_busy(self, connection: Connection) -> None:
        """A request has begun on it."""
        self._idle.pop(connection, None)

    def mark_idle(self, connection: Connection) -> None:
        """Its last request has been answered."""
        if connection in self._all:
            self._idle[connection] = None

    def _schedule_check(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self.limits.deadlines.tick_seconds, self._check_all)

    def _check_all(self) -> None:
        """If this process was stopped, its pause counts for at most two ticks: clients did not cause it."""
        self._timer = None
        if not self._all:
            return
        self._schedule_check()
        now = asyncio.get_running_loop().time()
        seconds, self._checked_at = min(now - self._checked_at, 2 * self.limits.deadlines.tick_seconds), now
        for connection in list(self._all):
            connection.check(seconds)


def address_of(host: str | None) -> str:
    """The key that limits count by: an IPv4 address, or the /64 network of an IPv6 address, because a client has all of that."""
    known = address_from(host)
    if known is None:
        return host or ""
    return known.exploded[:19] if isinstance(known, IPv6Address) else str(known)
