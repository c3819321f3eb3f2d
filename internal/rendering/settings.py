"""The settings of the worker."""

from typing import Annotated

from msgspec import Struct

from internal.runtime.setting import env


class WorkerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    host: Annotated[str, env("WORKER_HOST", "Address of the worker's health endpoints.")]
    port: Annotated[int, env("WORKER_PORT", "Port of the worker's health endpoints; 0 takes any free one.", ge=0, le=65535)]
    fast_slots: Annotated[int, env("WORKER_FAST_SLOTS", "Tasks of the fast lane at once; 0: four a core.", ge=0, le=256)]
    slow_slots: Annotated[int, env("WORKER_SLOW_SLOTS", "Tasks of the slow lane at once; 0: one for two cores.", ge=0, le=256)]
    max_attempts: Annotated[int, env("WORKER_MAX_ATTEMPTS", "Tries of a rendition before it is failed.", ge=1, le=100)]
    lease_seconds: Annotated[
        float, env("WORKER_LEASE_SECONDS", "How long a claim holds without being renewed, in seconds.", gt=0)
    ]
    renew_seconds: Annotated[float, env("WORKER_RENEW_SECONDS", "How often a claim is renewed, in seconds.", gt=0)]
    backoff_seconds: Annotated[
        float, env("WORKER_BACKOFF_SECONDS", "Wait before the second try, in seconds; it doubles, with jitter.", ge=0)
    ]
    grace_seconds: Annotated[
        float, env("WORKER_GRACE_SECONDS", "Time to finish on SIGTERM before work is released, in seconds.", ge=0)
    ]
    housekeeping_seconds: Annotated[float, env("WORKER_HOUSEKEEPING_SECONDS", "How often housekeeping runs, in seconds.", gt=0)]
    overdue_seconds: Annotated[
        float, env("WORKER_OVERDUE_SECONDS", "A rendition this long past its due time is queued again.", gt=0)
    ]
    pause_seconds: Annotated[
        float, env("WORKER_PAUSE_SECONDS", "Wait between looks at a dependency that is down, in seconds.", gt=0)
    ]
    defer_seconds: Annotated[
        float, env("WORKER_DEFER_SECONDS", "A task that a worker can't end for so long is sent again later, in seconds.", gt=0)
    ]
