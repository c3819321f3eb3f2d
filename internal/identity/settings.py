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

    @property
    def kinds(self) -> list[str]:
        """The kinds of credentials that are taken, as domain.identity names them; without any, everybody is ANYBODY."""
        return [] if self.mode == "none" else self.mode.split("+")

    def validate(self) -> None:
        if "jwt" in self.kinds:
            raise SettingsError(f"AUTH_MODE: {self.mode} is not there yet")
