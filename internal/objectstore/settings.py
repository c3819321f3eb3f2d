"""The settings that hold for every object store."""

from typing import Annotated, Literal

from msgspec import Struct

from internal.runtime.setting import env


class StorageSettings(Struct, frozen=True, forbid_unknown_fields=True):
    backend: Annotated[Literal["minio", "filesystem"], env("STORAGE_BACKEND", "Where originals and results are kept.")]
    path: Annotated[str, env("STORAGE_PATH", "Folder of the filesystem backend.", min_length=1)]
    intent_seconds: Annotated[
        float,
        env("STORAGE_INTENT_SECONDS", "How long an object that is being written may go without progress, in seconds.", gt=0),
    ]
    sweep_seconds: Annotated[
        float, env("STORAGE_SWEEP_SECONDS", "An unreferenced object is deleted this long after its deadline, in seconds.", ge=0)
    ]
