"""The worker's own HTTP: health and metrics on WORKER_PORT."""

from internal.http.asgi import App
from internal.http.monitoring.health import health_handlers
from internal.http.monitoring.metrics import metrics_handler
from internal.http.monitoring.metrics_access import MetricsAccess
from internal.http.server.side_server import SideServer, side_app
from internal.rendering.settings import WorkerSettings
from internal.wiring.worker import WorkerParts


def health_app(parts: WorkerParts, metrics_token: str = "") -> App:
    """The ASGI application: health and metrics."""
    return side_app([*health_handlers(parts.dependencies), metrics_handler(parts.measures, MetricsAccess(metrics_token))])


async def serve_health(settings: WorkerSettings, parts: WorkerParts, metrics_token: str) -> None:
    """Serve until cancelled. Raises SystemExit when the port is taken."""
    await SideServer(health_app(parts, metrics_token), settings.host, settings.port).serve()
