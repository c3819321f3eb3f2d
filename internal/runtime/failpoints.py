"""Places where a test may have this process die, or stand still, to see that nothing is lost there. Off, they cost a call.

`FAULT_POINTS=allowed` switches them on; then `FAULT_POINT=after-put` (or `after-put:3`: the third time) names the one that acts
and `FAULT_ACTION` says how: `kill` (SIGKILL, the default) or `stop` (SIGSTOP). Read once, at import. No settings: for tests only.
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
    """What every point does in a process that serves people."""


def _bound(environment: Mapping[str, str]) -> Callable[[str], None]:
    """The function that the points call. Raises ValueError for a point or an action that is none."""
    chosen = environment.get("FAULT_POINT")
    if environment.get("FAULT_POINTS") != "allowed" or not chosen:
        return _nothing
    name, _, nth = chosen.partition(":")
    action = environment.get("FAULT_ACTION", "kill")
    if name not in POINTS or action not in ACTIONS:
        raise ValueError(f"no such fault: FAULT_POINT={chosen} FAULT_ACTION={action}")
    times, fatal = itertools.count(1), int(nth or 1)

    def act(point: str) -> None:
        if point == name and next(times) == fatal:
            os.kill(os.getpid(), ACTIONS[action])

    return act


failpoint = _bound(os.environ)
"""Call it as `failpoint("after-put")` where a step is done."""
