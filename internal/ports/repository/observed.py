"""What the repository tells of itself: how much waits, and what lets its tables swell."""

from msgspec import Struct


class BacklogStats(Struct, frozen=True):
    """How much waits: counts of rows, and ages in seconds.

    `outbox_oldest_seconds`: how long the oldest message is past the time at which it was first due. `…_oldest_seconds` of
    renditions: since the oldest that is not final was asked for, whatever was tried meanwhile; None when there is none.
    `leases_expired`: attempts whose lease ran out and that nobody has taken up yet.
    """

    outbox_messages: int
    outbox_oldest_seconds: float
    renditions_waiting: int
    renditions_processing: int
    waiting_oldest_seconds: float | None
    processing_oldest_seconds: float | None
    leases_expired: int
    unreferenced_objects: int
    unreferenced_overdue: int
    dead_letters: int


class DatabaseHealth(Struct, frozen=True):
    """What keeps dead rows: the oldest snapshot's age in seconds, the oldest horizon's in transactions; dead rows by table."""

    oldest_snapshot_seconds: float
    oldest_xmin_transactions: int
    dead_rows: dict[str, int]
