"""All parts of the measurement, in the order in which they are measured."""

from collections.abc import Callable

from bench.deployments import Deployment
from bench.parts import (
    burst,
    chains,
    children,
    cpu,
    doors,
    endurance,
    fair,
    flat,
    lanes,
    latency,
    memory,
    peers,
    reads,
    rows,
    uploads,
    worker,
)
from bench.parts.scale import Scale
from bench.report import Result

ALONE: dict[str, Callable[[Scale], Result]] = {
    "chains": chains.measure,
    "peers": peers.measure,
    "flat": flat.measure,
    "children": children.measure,
}
"""Parts that need nothing but the sandbox."""

DEPLOYED: dict[str, Callable[[Deployment, Scale], Result]] = {
    "worker": worker.measure,
    "upload": uploads.measure,
    "latency": latency.measure,
    "lanes": lanes.measure,
    "fair": fair.measure,
    "burst": burst.measure,
    "reads": reads.measure,
    "doors": doors.measure,
    "cpu": cpu.measure,
    "memory": memory.measure,
    "rows": rows.measure,
    "endurance": endurance.measure,
}
"""Parts that are measured in each deployment."""

ONCE = {"rows"}
"""Measured in the first deployment of a run only: PostgreSQL is all that they ask."""

NAMED_ONLY = {"endurance", "fair"}
"""Measured only when they are named: a whole run is to take half an hour."""
