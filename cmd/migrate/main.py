"""Bring database, store and topics up to date, and exit: `python -P cmd/migrate/main.py`. Repeated runs are safe."""

import sys

from internal.domain.errors import StoreRefused, Unavailable
from internal.observability.logs import configure_logging
from internal.settings.startup import settings_or_exit
from internal.wiring.bootstrap import bootstrap

if __name__ == "__main__":
    settings = settings_or_exit()
    configure_logging(settings.logging, "migrate")
    try:
        bootstrap(settings)
    except Unavailable as error:
        sys.exit(f"migrate: {error.detail} ({error.__cause__!r})")
    except StoreRefused as refused:
        sys.exit(f"migrate: {refused.detail}")
