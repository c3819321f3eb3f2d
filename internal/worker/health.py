"""The worker's own HTTP: health and metrics on WORKER_PORT."""

from internal.api.access_log import App
from internal.api.health import health_handlers
from internal.api.metrics import metrics_handler
from internal.api.metrics_access import MetricsAccess
from internal.api.side_server import SideServer, side_app
from internal.settings.sections import Worker
from internal.wiring.worker import WorkerParts


def health_app(parts: WorkerParts, metrics_token: str = "") -> App:
    """The ASGI application: health and metrics."""
    return side_app([*health_handlers(parts.dependencies), metrics_handler(parts.measures, MetricsAccess(metrics_token))])


async def serve_health(settings: Worker, parts: WorkerParts, metrics_token: str) -> None:
    """Serve until cancelled. Raises SystemExit when the port is taken."""
    await SideServer(health_app(parts, metrics_token), settings.host, settings.port).serve()
