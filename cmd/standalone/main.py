"""Run the whole service in one terminal, with an embedded PostgreSQL: `python -P cmd/standalone/main.py`."""

import os
from functools import partial

from internal.observability.logs import configure_logging
from internal.runtime.lifecycle import run_until_signalled
from internal.settings.exposure import refuse_exposed_api
from internal.settings.startup import settings_or_exit
from internal.standalone.service import run_standalone

if __name__ == "__main__":
    os.environ.setdefault("APP_PROFILE", "standalone")
    settings = settings_or_exit(refuse_exposed_api)
    configure_logging(settings.logging, "standalone")
    run_until_signalled(partial(run_standalone, settings))
