"""The timings of a worker."""

from msgspec import Struct


class WorkerTimings(Struct, frozen=True):
    """All in seconds, except `max_attempts`, which bounds the attempts at one rendition."""

    intent_seconds: float
    lease_seconds: float
    renew_seconds: float
    backoff_seconds: float
    overdue_seconds: float
    sweep_seconds: float
    pause_seconds: float
    defer_seconds: float
    max_attempts: int
