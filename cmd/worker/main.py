"""Process images until SIGTERM: `python -P cmd/worker/main.py`."""

from functools import partial

from internal.observability.logs import configure_logging
from internal.runtime.lifecycle import run_until_signalled
from internal.runtime.listening import refuse_taken_port
from internal.settings.exposure import refuse_exposed_worker
from internal.settings.startup import settings_or_exit
from internal.worker.service import run_worker

if __name__ == "__main__":
    settings = settings_or_exit(refuse_exposed_worker)
    configure_logging(settings.logging, "worker")
    refuse_taken_port("WORKER_PORT", settings.worker.host, settings.worker.port)
    run_until_signalled(partial(run_worker, settings))
