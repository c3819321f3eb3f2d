"""How long records are kept."""

from typing import Annotated

from msgspec import Struct

from internal.runtime.setting import env


class RetentionSettings(Struct, frozen=True, forbid_unknown_fields=True):
    events_days: Annotated[
        int, env("EVENTS_RETENTION_DAYS", "Events older than so many days are removed; 0: never.", ge=0, le=36_500)
    ]
    dead_letters_days: Annotated[
        int, env("DEAD_LETTERS_RETENTION_DAYS", "Dead letters older than so many days are removed; 0: never.", ge=0, le=36_500)
    ]
