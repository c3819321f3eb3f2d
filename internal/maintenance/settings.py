"""How long records are kept."""

from typing import Annotated

from msgspec import Struct

from internal.runtime.section import env


class RetentionSettings(Struct, frozen=True, forbid_unknown_fields=True):
    events_days: Annotated[int, env("EVENTS_RETENTION_DAYS", "Days after which events are deleted. 0: never.", ge=0, le=36_500)]
    dead_letters_days: Annotated[
        int, env("DEAD_LETTERS_RETENTION_DAYS", "Days after which dead letters are deleted. 0: never.", ge=0, le=36_500)
    ]
