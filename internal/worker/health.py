"""The worker's own HTTP: health and metrics on WORKER_PORT."""

import contextlib
from collections.abc import Iterator

import uvicorn
from litestar import Litestar

from internal.api.health import health_handlers
from internal.api.methods import Methods
from internal.api.metrics import metrics_handler
from internal.api.problems import HANDLERS
from internal.settings import Worker
from internal.wiring import WorkerParts


class _Server(uvicorn.Server):
    """A server inside a process that has its own way with signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def health_app(parts: WorkerParts) -> Methods:
    """The ASGI application: health and metrics."""
    return Methods(
        Litestar(
            route_handlers=[*health_handlers(parts.dependencies), metrics_handler(parts.measures)],
            exception_handlers=HANDLERS,
            openapi_config=None,
            logging_config=None,
        )
    )


async def serve_health(settings: Worker, parts: WorkerParts) -> None:
    """Serve until cancelled. Raises OSError when the port is taken."""
    app = health_app(parts)
    config = uvicorn.Config(app, settings.host, settings.port, log_config=None, access_log=False, lifespan="off")
    await _Server(config).serve()
