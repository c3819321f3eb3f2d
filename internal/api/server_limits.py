"""What one API process may hold open, read off the settings and off what the system lets it."""

import math
import resource

import structlog

from internal.http.server.connections import ConnectionLimits
from internal.http.server.deadlines import Deadlines
from internal.http.settings import ServerSettings

log = structlog.get_logger(__name__)

FILES_BESIDE = 256
"""Open files that have nothing to do with connections: libraries, the pool of the database, a scrape."""

FILES_EACH = 2
"""Of a connection: itself, and the object, or the connection to the store, that it reads from or writes to."""


def connection_limits(server: ServerSettings) -> ConnectionLimits:
    """As configured, or fewer where the system allows too few open files; their soft limit is raised as far as is needed."""
    most = min(server.max_connections, max(8, (_raise_open_files(server.max_connections) - FILES_BESIDE) // FILES_EACH))
    if most < server.max_connections:
        log.warning("connections.limited", most=most, wanted=server.max_connections, why="RLIMIT_NOFILE")
    deadlines = Deadlines(server.header_seconds, server.stall_seconds, server.least_rate, server.grace_seconds)
    return ConnectionLimits(most, share_of_one_address(most, server), deadlines)


def share_of_one_address(most: int, server: ServerSettings) -> int:
    """How many of `most` one client address may have, at least one."""
    return max(1, math.ceil(most * server.address_share))


def _raise_open_files(connections: int) -> int:
    """Raise the soft limit of open files for so many connections, as far as the hard one allows; returns what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections * FILES_EACH + FILES_BESIDE
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else soft
