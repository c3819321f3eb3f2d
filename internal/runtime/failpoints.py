"""Failpoints: places where a test kills or stops this process, to check that nothing is lost. Disabled, each costs one call.

`FAULT_POINTS=allowed` enables them. `FAULT_POINT=after-put` names the active one (`after-put:3`: at its third call), and
`FAULT_ACTION` the action: `kill` (SIGKILL, the default) or `stop` (SIGSTOP). They are read once, at import, and are no settings,
because only tests use them.
"""

import itertools
import os
import signal
from collections.abc import Callable, Mapping

POINTS = frozenset(
    {
        "after-intent",
        "after-put",
        "before-commit",
        "after-commit",
        "after-publish",
        "after-claim",
        "after-get",
        "after-decode",
        "after-result-put",
        "before-finish",
        "after-finish",
        "before-ack",
    }
)
ACTIONS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


def _nothing(point: str) -> None:
    """Disabled failpoint."""


def _from_environment(environment: Mapping[str, str]) -> Callable[[str], None]:
    """Return the function for all failpoints. Raises ValueError for an unknown point or action."""
    chosen = environment.get("FAULT_POINT")
    if environment.get("FAULT_POINTS") != "allowed" or not chosen:
        return _nothing
    name, _, nth = chosen.partition(":")
    action = environment.get("FAULT_ACTION", "kill")
    if name not in POINTS or action not in ACTIONS:
        raise ValueError(f"unknown failpoint: FAULT_POINT={chosen} FAULT_ACTION={action}")
    times, fatal = itertools.count(1), int(nth or 1)

    def act(point: str) -> None:
        if point == name and next(times) == fatal:
            os.kill(os.getpid(), ACTIONS[action])

    return act


failpoint = _from_environment(os.environ)
"""Call it as `failpoint("after-put")` after a step."""
