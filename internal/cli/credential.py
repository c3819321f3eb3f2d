"""The credential that imagectl sends: an API key or a token. Never an option, because everybody sees command lines."""

import os
from pathlib import Path

from internal.cli.errors import UsageError
from internal.runtime.secret import NO_SECRET, Secret
from internal.runtime.secret_file import SecretUnreadable, read_secret, secret_from


def credential(key_file: Path | None) -> Secret:
    """Return what is in `key_file` (`--key-file`), or else in IMAGECTL_KEY or in the file that IMAGECTL_KEY_FILE names.

    Raises UsageError, which does not quote it.
    """
    try:
        text = read_secret(key_file, "--key-file") if key_file else secret_from(os.environ, "IMAGECTL_KEY")
    except SecretUnreadable as error:
        raise UsageError(str(error)) from error
    if any(not "!" <= character <= "~" for character in text or ""):
        where = "--key-file" if key_file else "IMAGECTL_KEY"
        raise UsageError(f"{where}: this is no key and no token: expected printable ASCII characters without spaces")
    return Secret(text) if text else NO_SECRET
