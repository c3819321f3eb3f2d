"""The parts that can be measured in two trees at once, and why the others can't."""

from collections.abc import Callable
from functools import partial

from bench.compare import Open, compare_deployed
from bench.deployments import Deployment
from bench.parts import cpu, latency, reads, uploads, worker
from bench.parts.chains_compared import measure as measure_chains
from bench.parts.scale import Scale
from bench.report import Result
from bench.trees import Tree

ALONE: dict[str, Callable[[Tree, Scale], Result]] = {"chains": measure_chains}

_DEPLOYED: dict[str, tuple[str, Open]] = {
    "worker": ("Worker from a full queue", worker.compared),
    "upload": ("Uploads through the API", uploads.compared),
    "latency": ("From upload to processed when idle", latency.compared),
    "reads": ("Downloads and statuses", reads.compared),
    "cpu": ("CPU time of a picture, upload to thumbnail", cpu.compared),
}
DEPLOYED: dict[str, Callable[[Deployment, Tree, Scale], Result]] = {
    part: partial(compare_deployed, part, title, open_side) for part, (title, open_side) in _DEPLOYED.items()
}

NOT_COMPARED = {
    "peers": "it measures sharp and Pillow beside this tree; chains compares two trees",
    "flat": "it measures sharp and gifsicle beside this tree; chains compares two trees",
    "children": "it measures memory, which a process keeps from one turn to the next",
    "lanes": "a queue of AVIF of one side would slow down the other",
    "fair": "a flood of one side would slow down the other",
    "burst": "200 uploads at once take the whole machine, and so the other side's turn",
    "memory": "it measures memory, which a process keeps from one turn to the next",
    "rows": "it fills databases by this tree's schema, which another revision need not have",
    "doors": "it compares ways into this tree, which another revision need not have",
    "endurance": "it measures memory over a quarter of an hour",
}
"""Parts that compare nothing, and the reason that a run gives."""
