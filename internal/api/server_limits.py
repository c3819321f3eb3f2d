"""Connection limits of one API process, from the settings and from RLIMIT_NOFILE."""

import math
import resource

import structlog

from internal.http.networks import Networks
from internal.http.server.connections import ConnectionLimits
from internal.http.server.deadlines import Deadlines
from internal.http.settings import ServerSettings

log = structlog.get_logger(__name__)

OTHER_FILES = 256
"""Open files besides connections: libraries, the database's pool, a scrape."""

FILES_PER_CONNECTION = 2
"""Open files per connection: its socket, and the object or store connection that it uses."""


def connection_limits(server: ServerSettings, proxies: Networks) -> ConnectionLimits:
    """The configured limits, or lower ones if the system allows too few open files. Raises the soft limit as far as necessary."""
    most = min(server.max_connections, max(8, (_raise_open_files(server.max_connections) - OTHER_FILES) // FILES_PER_CONNECTION))
    if most < server.max_connections:
        log.warning("connections.limited", most=most, wanted=server.max_connections, why="RLIMIT_NOFILE")
    deadlines = Deadlines(server.header_seconds, server.stall_seconds, server.least_rate, server.grace_seconds)
    return ConnectionLimits(most, share_of(most, server.address_share), deadlines, proxies)


def share_of(most: int, share: float) -> int:
    """How many of `most` one client address or owner may have: at least one."""
    return max(1, math.ceil(most * share))


def _raise_open_files(connections: int) -> int:
    """Raise the soft limit of open files for `connections`, up to the hard limit; returns the new soft limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections * FILES_PER_CONNECTION + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else soft
