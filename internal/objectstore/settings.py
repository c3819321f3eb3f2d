"""The settings that hold for every object store."""

from typing import Annotated, Literal

from msgspec import Struct

from internal.runtime.section import env


class StorageSettings(Struct, frozen=True, forbid_unknown_fields=True):
    backend: Annotated[Literal["minio", "filesystem"], env("STORAGE_BACKEND", "Object store for originals and renditions.")]
    path: Annotated[str, env("STORAGE_PATH", "Folder of the filesystem backend.", min_length=1)]
    intent_seconds: Annotated[
        float,
        env(
            "STORAGE_INTENT_SECONDS",
            "Time that a write of an object may go without progress, in seconds. Then gc may delete the object.",
            gt=0,
        ),
    ]
    sweep_seconds: Annotated[
        float,
        env(
            "STORAGE_SWEEP_SECONDS", "Delay before gc deletes an unreferenced object whose deadline has passed, in seconds.", ge=0
        ),
    ]
