"""The settings that hold for every queue."""

from typing import Annotated, Literal

from msgspec import Struct

from internal.runtime.section import env


class QueueSettings(Struct, frozen=True, forbid_unknown_fields=True):
    backend: Annotated[Literal["kafka", "postgres"], env("QUEUE_BACKEND", "Queue that carries tasks from the API to the worker.")]
    visibility_seconds: Annotated[
        float,
        env(
            "QUEUE_VISIBILITY_SECONDS",
            "Visibility timeout of the postgres queue, in seconds: a message that a dead worker held is delivered again.",
            gt=0,
        ),
    ]
    outbox_lease_seconds: Annotated[
        float,
        env(
            "OUTBOX_LEASE_SECONDS",
            "Outbox lease: rows claimed by a dead API process are retried after this many seconds. "
            "Must be more than KAFKA_PUBLISH_SECONDS.",
            gt=0,
        ),
    ]
