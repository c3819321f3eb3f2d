"""Declaring a setting, beside what it sets: each room owns its section."""

from typing import Any

from msgspec import Meta


def env(name: str, description: str, **limits: Any) -> Meta:
    """A setting's environment variable, the sentence that documents it, and its limits (`ge`, `le`, `min_length`, …)."""
    return Meta(description=description, extra={"env": name}, **limits)
