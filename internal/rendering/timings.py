"""When things happen in a worker."""

from msgspec import Struct


class WorkerTimings(Struct, frozen=True):
    """When things happen on the working side, in seconds; `max_attempts` counts tries of one rendition."""

    intent_seconds: float
    lease_seconds: float
    renew_seconds: float
    backoff_seconds: float
    overdue_seconds: float
    sweep_seconds: float
    pause_seconds: float
    defer_seconds: float
    max_attempts: int
