"""Health: live says that the process turns; ready says which dependency fails."""

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
    """One thing that a process needs; without an `essential` one it takes no work. A look at it takes at most `seconds`."""

    check: Callable[[], Awaitable[None]]
    seconds: float
    essential: bool = True


class Report(Struct, frozen=True):
    """`status` of the process, and `ok` or a sentence for each of its dependencies."""

    status: Condition
    dependencies: dict[str, str]


async def examine(dependencies: Mapping[str, Dependency]) -> Report:
    """Ask all of them at once."""
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
