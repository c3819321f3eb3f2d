"""The settings of a process that starts."""

import sys
from collections.abc import Callable

from internal.runtime.section import SettingsError
from internal.settings.loader import load_settings
from internal.settings.presets import configured_grammar
from internal.settings.sections import Settings


def settings_or_exit(*checks: Callable[[Settings], None]) -> Settings:
    """The settings, loaded and checked. `checks`: what else this process demands; each raises SettingsError.

    For settings that can't be used: one line on the terminal, and exit code 2.
    """
    try:
        settings = load_settings()
        configured_grammar(settings.processing, settings.limits)
        settings.validate()
        for check in checks:
            check(settings)
        return settings
    except SettingsError as error:
        print(f"configuration: {error}", file=sys.stderr)
        sys.exit(2)
