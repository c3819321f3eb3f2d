"""The folder of the standalone deployment."""

from typing import Annotated

from msgspec import Struct

from internal.runtime.setting import env


class StandaloneSettings(Struct, frozen=True, forbid_unknown_fields=True):
    data: Annotated[str, env("DATA_PATH", "Folder of the standalone deployment's database and objects.", min_length=1)]
