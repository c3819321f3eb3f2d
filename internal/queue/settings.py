"""The settings that hold for every queue."""

from typing import Annotated, Literal

from msgspec import Struct

from internal.runtime.setting import env


class QueueSettings(Struct, frozen=True, forbid_unknown_fields=True):
    backend: Annotated[Literal["kafka", "postgres"], env("QUEUE_BACKEND", "What carries tasks from the API to the worker.")]
    visibility_seconds: Annotated[
        float, env("QUEUE_VISIBILITY_SECONDS", "postgres: a message that nobody holds this long is given out again.", gt=0)
    ]
    outbox_lease_seconds: Annotated[
        float,
        env(
            "OUTBOX_LEASE_SECONDS",
            "What a killed API was publishing goes out by another one this much later: more seconds than KAFKA_PUBLISH_SECONDS.",
            gt=0,
        ),
    ]
