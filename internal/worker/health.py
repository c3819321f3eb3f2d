"""The worker's own HTTP: health and metrics on WORKER_PORT."""

from litestar import Litestar

from internal.api.access_log import App
from internal.api.health import health_handlers
from internal.api.methods import Methods
from internal.api.metrics import metrics_handler
from internal.api.metrics_access import MetricsAccess
from internal.api.no_store import NoStore
from internal.api.problems import HANDLERS
from internal.api.side_server import SideServer
from internal.settings import Worker
from internal.wiring import WorkerParts


def health_app(parts: WorkerParts, metrics_token: str = "") -> App:
    """The ASGI application: health and metrics."""
    machines = [*health_handlers(parts.dependencies), metrics_handler(parts.measures, MetricsAccess(metrics_token))]
    app = Litestar(route_handlers=machines, exception_handlers=HANDLERS, openapi_config=None, logging_config=None)
    return NoStore(Methods(app))


async def serve_health(settings: Worker, parts: WorkerParts, metrics_token: str) -> None:
    """Serve until cancelled. Raises SystemExit when the port is taken."""
    await SideServer(health_app(parts, metrics_token), settings.host, settings.port).serve()
