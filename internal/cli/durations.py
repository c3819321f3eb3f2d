"""Durations on the command line."""

import re

from internal.cli.errors import UsageError

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def parse_duration(text: str) -> int:
    """Seconds of the option `--expires`, like `90d`, `12h` or `30m`. Raises UsageError."""
    found = re.fullmatch(r"([0-9]{1,10})([smhdw])", text)
    if found is None:
        raise UsageError(f"--expires {text}: expected a number and s, m, h, d or w, such as 90d.")
    return int(found[1]) * SECONDS[found[2]]
