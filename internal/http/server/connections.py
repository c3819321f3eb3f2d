"""The connections of one server: how many there may be, in all and of one address, and a look at each of them every second.

Connections that ask for nothing keep nobody out: where there are too many, the one that has waited for its next request longest
is closed. Only where each of them is at work the new one is refused, with a 503.
"""

import asyncio
from collections import Counter
from ipaddress import IPv6Address, ip_address
from typing import Protocol

from msgspec import Struct

from internal.http.server.deadlines import Deadlines


class ConnectionLimits(Struct, frozen=True):
    """`most`: connections of one process. `of_one_address`: the most of them that one client address may have."""

    most: int = 256
    of_one_address: int = 256
    deadlines: Deadlines = Deadlines()


class Connection(Protocol):
    """One of them, as its protocol tells of it."""

    address: str

    @property
    def is_read(self) -> bool:
        """Whether its client has taken all that was to be sent."""

    def look(self, seconds: float) -> None:
        """Hold it against the deadlines, `seconds` after the last look."""

    def give_up(self) -> None:
        """Close it: it waits for a request, and its place is wanted."""


class Connections:
    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._all: set[Connection] = set()
        self._idle: dict[Connection, None] = {}
        """Those that wait for a request, the longest first. The client of one may still be reading the last answer."""
        self._addresses: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None
        self._looked = 0.0

    def add(self, connection: Connection) -> bool:
        """Take it, in place of an idle one if need be; False when there is no room for it."""
        full_address = self._addresses[connection.address] >= self.limits.of_one_address
        if full_address or len(self._all) >= self.limits.most:
            of_address = connection.address if full_address else None
            victim = next((idle for idle in self._idle if of_address in (None, idle.address) and idle.is_read), None)
            if victim is None:
                return False
            self.remove(victim)
            victim.give_up()
        self._all.add(connection)
        self._idle[connection] = None
        self._addresses[connection.address] += 1
        if self._timer is None:
            self._looked = asyncio.get_running_loop().time()
            self._look_later()
        return True

    def remove(self, connection: Connection) -> None:
        """Again is harmless."""
        if connection in self._all:
            self._all.discard(connection)
            self._idle.pop(connection, None)
            self._addresses[connection.address] -= 1
            if not self._addresses[connection.address]:
                del self._addresses[connection.address]

    def works(self, connection: Connection) -> None:
        """A request of it has begun."""
        self._idle.pop(connection, None)

    def waits(self, connection: Connection) -> None:
        """Its last request is answered."""
        if connection in self._all:
            self._idle[connection] = None

    def _look_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self.limits.deadlines.tick_seconds, self._look)

    def _look(self) -> None:
        """A time in which this process stood still is nobody's fault: it counts for two ticks at most."""
        self._timer = None
        if not self._all:
            return
        self._look_later()
        now = asyncio.get_running_loop().time()
        seconds, self._looked = min(now - self._looked, 2 * self.limits.deadlines.tick_seconds), now
        for connection in list(self._all):
            connection.look(seconds)


def address_of(host: str | None) -> str:
    """Who counts as one: an IPv4 address, or the network of an IPv6 address, of which a client has as many as it likes."""
    try:
        known = ip_address(host or "")
    except ValueError:
        return host or ""
    if isinstance(known, IPv6Address):
        return str(known.ipv4_mapped) if known.ipv4_mapped else known.exploded[:19]
    return str(known)
