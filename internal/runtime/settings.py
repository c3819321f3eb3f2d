"""The settings of circuit breakers, and of the data folder of `make run`."""

from pathlib import Path
from typing import Annotated

from msgspec import Struct

from internal.runtime.project import PROJECT
from internal.runtime.section import env


class BreakerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    failures: Annotated[int, env("BREAKER_FAILURES", "Consecutive failures before the circuit opens.", ge=1)]
    seconds: Annotated[
        float,
        env("BREAKER_SECONDS", "Time that the circuit stays open before one call probes the dependency, in seconds.", gt=0),
    ]


class StandaloneSettings(Struct, frozen=True, forbid_unknown_fields=True):
    data: Annotated[str, env("DATA_PATH", "Folder of the database and the objects of `make run`.", min_length=1)]

    @property
    def folder(self) -> Path:
        """Its absolute path; a relative one is inside the project."""
        return (PROJECT / self.data).resolve()
