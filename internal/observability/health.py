"""Health. Liveness: the process is running. Readiness: which of its dependencies fails."""

import asyncio
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


async def _ask(dependency: Dependency) -> str:
    try:
        async with asyncio.timeout(dependency.seconds):
            await dependency.check()
    except ServiceError as error:
        return error.detail
    except TimeoutError:
        return f"did not answer in {dependency.seconds:g} seconds"
    return Condition.OK
