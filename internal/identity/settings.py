"""The settings of identity."""

from typing import Annotated, Literal

from msgspec import Struct

from internal.runtime.section import SettingsError, env


class AuthSettings(Struct, frozen=True, forbid_unknown_fields=True):
    mode: Annotated[
        Literal["none", "key", "jwt", "key+jwt"],
        env("AUTH_MODE", "How clients show who they are: by API key, by token, by either, or not at all."),
    ]
    allow_anonymous: Annotated[
        bool,
        env(
            "AUTH_ALLOW_ANONYMOUS",
            "Let AUTH_MODE=none listen on addresses that other machines reach. Everybody may then read, add and delete images.",
        ),
    ]

    def validate(self) -> None:
        if self.mode != "none":
            raise SettingsError(f"AUTH_MODE: {self.mode} is not there yet")
