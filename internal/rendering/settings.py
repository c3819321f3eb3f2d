"""The settings of the worker."""

from typing import Annotated

from msgspec import Struct

from internal.runtime.section import SettingsError, env


class WorkerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    host: Annotated[str, env("WORKER_HOST", "Address of the worker's health checks and metrics.")]
    port: Annotated[int, env("WORKER_PORT", "Port of the worker's health checks and metrics. 0: any free port.", ge=0, le=65535)]
    fast_slots: Annotated[
        int,
        env("WORKER_FAST_SLOTS", "Tasks of the fast lane that one worker runs at the same time. 0: four per core.", ge=0, le=256),
    ]
    slow_slots: Annotated[
        int,
        env(
            "WORKER_SLOW_SLOTS",
            "Tasks of the slow lane that one worker runs at the same time. 0: one per two cores.",
            ge=0,
            le=256,
        ),
    ]
    max_attempts: Annotated[int, env("WORKER_MAX_ATTEMPTS", "Attempts to process a rendition before it fails.", ge=1, le=100)]
    lease_seconds: Annotated[
        float,
        env(
            "WORKER_LEASE_SECONDS",
            "Lease of a claim, in seconds. If a worker does not renew it in time, another worker claims the rendition.",
            gt=0,
        ),
    ]
    renew_seconds: Annotated[
        float,
        env(
            "WORKER_RENEW_SECONDS",
            "Interval at which a worker renews its claims, in seconds. Must be less than WORKER_LEASE_SECONDS.",
            gt=0,
        ),
    ]
    backoff_seconds: Annotated[
        float,
        env(
            "WORKER_BACKOFF_SECONDS",
            "Delay before the second attempt, in seconds. It doubles with each further attempt and is randomized.",
            ge=0,
        ),
    ]
    grace_seconds: Annotated[
        float,
        env(
            "WORKER_GRACE_SECONDS",
            "Time that running tasks have to finish after SIGTERM, in seconds. Then their renditions are released.",
            ge=0,
        ),
    ]
    housekeeping_seconds: Annotated[
        float, env("WORKER_HOUSEKEEPING_SECONDS", "Interval between two rounds of housekeeping, in seconds.", gt=0)
    ]
    overdue_seconds: Annotated[
        float, env("WORKER_OVERDUE_SECONDS", "A rendition that is overdue by this many seconds is queued again.", gt=0)
    ]
    pause_seconds: Annotated[
        float, env("WORKER_PAUSE_SECONDS", "Delay before a worker retries while a dependency is down, in seconds.", gt=0)
    ]
    defer_seconds: Annotated[
        float,
        env(
            "WORKER_DEFER_SECONDS",
            "A task that a worker cannot finish within this many seconds is sent again, to be processed later.",
            gt=0,
        ),
    ]

    def validate(self) -> None:
        """A claim has to be renewed before it ends."""
        if self.renew_seconds >= self.lease_seconds:
            raise SettingsError(
                f"WORKER_RENEW_SECONDS (worker.renew_seconds): {self.renew_seconds:g} has to be less than "
                f"WORKER_LEASE_SECONDS, which is {self.lease_seconds:g}"
            )
