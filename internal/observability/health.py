"""Health. Liveness: the process is running. Readiness: which of its dependencies fails."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum

from msgspec import Struct

from internal.domain.errors import ServiceError


class Condition(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"
    UNAVAILABLE = "unavailable"


class Dependency(Struct, frozen=True):
    """A dependency of this process. Without an `essential` one the process is not ready. `check` gets at most `seconds`."""

    check: Callable[[], Awaitable[None]]
    seconds: float
    essential: bool = True


class Report(Struct, frozen=True):
    """The process's `status`, and for each dependency `ok` or a sentence that says what is wrong."""

    status: Condition
    dependencies: dict[str, str]


async def examine(dependencies: Mapping[str, Dependency]) -> Report:
    """Check all dependencies at once."""
    answers = dict(zip(dependencies, await asyncio.gather(*map(_ask, dependencies.values())), strict=True))
    failing = [dependencies[name] for name, answer in answers.items() if answer != Condition.OK]
    if any(dependency.essential for dependency in failing):
        return Report(Condition.UNAVAILABLE, answers)
    return Report(Condition.DEGRADED if failing else Condition.OK, answers)


PAUSE_SECONDS = 0.2
"""From the begin of one examination to that of the next."""


class Examiner:
    """Examines dependencies. All who ask meanwhile share the next examination, which begins after they have asked.

    INVARIANT: however many ask, who need no credential, the dependencies are asked by one at a time, five times a second at most
    (tests/unit/observability/test_health.py::test_a_flood_asks_the_dependencies_as_often_as_one_does).
    """

    def __init__(self, dependencies: Mapping[str, Dependency], pause_seconds: float = PAUSE_SECONDS) -> None:
        self._dependencies, self._pause = dependencies, pause_seconds
        self._next: asyncio.Task[Report] | None = None
        self._examining = asyncio.Lock()
        self._began = -math.inf

    async def report(self) -> Report:
        """The report of an examination that begins after this call."""
        if self._next is None:
            self._next = asyncio.create_task(self._examine(), name="health")
        return await asyncio.shield(self._next)  # who hangs up leaves it to the others

    async def _examine(self) -> Report:
        async with self._examining:
            clock = asyncio.get_running_loop().time
            await asyncio.sleep(self._began + self._pause - clock())  # at once if that is over
            self._next, self._began = None, clock()
            return await examine(self._dependencies)


async def _ask(dependency: Dependency) -> str:
    try:
        async with asyncio.timeout(dependency.seconds):
            await dependency.check()
    except ServiceError as error:
        return error.detail
    except TimeoutError:
        return f"did not answer in {dependency.seconds:g} seconds"
    return Condition.OK
