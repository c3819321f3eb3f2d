"""The settings, or the end of the process."""

import sys

from internal.settings.loader import SettingsError, load_settings, require_store_key
from internal.settings.presets import configured_grammar
from internal.settings.sections import Settings


def settings_or_exit() -> Settings:
    """The settings, or one line on the terminal and exit code 2."""
    try:
        settings = load_settings()
        configured_grammar(settings)
        require_store_key(settings)
        return settings
    except SettingsError as error:
        print(f"configuration: {error}", file=sys.stderr)
        sys.exit(2)
