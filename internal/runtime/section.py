"""How a room declares its settings: a frozen struct, with a field for each setting.

    class CacheSettings(Struct, frozen=True, forbid_unknown_fields=True):
        seconds: Annotated[float, env("CACHE_SECONDS", "Time that an answer stays in the cache, in seconds.", gt=0)]

A struct whose values depend on each other has a method `validate()`, which raises SettingsError. The defaults are in
config/default.yaml.
"""

from typing import Any, Protocol, runtime_checkable

from msgspec import Meta


class SettingsError(Exception):
    """The configuration can't be used; the message names the variable or the file."""


@runtime_checkable
class Validated(Protocol):
    """A section whose values depend on each other."""

    def validate(self) -> None:
        """Raises SettingsError, which names the variable, for values that do not fit each other."""


def env(name: str, description: str, **limits: Any) -> Meta:
    """A setting's environment variable, the sentence that documents it, and its limits (`ge`, `le`, `min_length`, …)."""
    return Meta(description=description, extra={"env": name}, **limits)
