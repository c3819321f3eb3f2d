"""The settings of identity."""

from typing import Annotated, Literal

from msgspec import Struct

from internal.runtime.section import SettingsError, env


class AuthSettings(Struct, frozen=True, forbid_unknown_fields=True):
    mode: Annotated[
        Literal["none", "key", "jwt", "key+jwt"],
        env("AUTH_MODE", "How clients show who they are: by API key, by token, by either, or not at all."),
    ]

    def validate(self) -> None:
        if self.mode != "none":
            raise SettingsError(f"AUTH_MODE: {self.mode} is not there yet")
