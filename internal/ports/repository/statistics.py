"""Statistics that the repository reports: the work that waits, and what makes its tables grow."""

from msgspec import Struct


class BacklogStats(Struct, frozen=True):
    """The work that waits: counts of rows, and ages in seconds.

    `outbox_oldest_seconds`: how long ago the oldest message was first due. `waiting_oldest_seconds`, `processing_oldest_seconds`:
    how long ago the oldest unfinished rendition was requested, whatever was tried since; None if there is none.
    `leases_expired`: attempts whose lease has run out and that are not yet requeued.
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
    """What keeps dead rows: age of the oldest snapshot in seconds, of the oldest xmin in transactions. Dead rows by table."""

    oldest_snapshot_seconds: float
    oldest_xmin_transactions: int
    dead_rows: dict[str, int]
