"""The worker's own HTTP: health and metrics on WORKER_PORT."""

from internal.http.asgi import App
from internal.http.monitoring.health import health_handlers
from internal.http.monitoring.metrics import metrics_handler
from internal.http.monitoring.metrics_access import MetricsAccess
from internal.http.server.side_server import SideServer, side_app
from internal.rendering.settings import WorkerSettings
from internal.runtime.secret import NO_SECRET, Secret
from internal.wiring.worker import WorkerState


def health_app(worker: WorkerState, metrics_token: Secret = NO_SECRET) -> App:
    """The ASGI application: health and metrics."""
    return side_app([*health_handlers(worker.dependencies), metrics_handler(worker.gauges, MetricsAccess(metrics_token))])


async def serve_health(settings: WorkerSettings, worker: WorkerState, metrics_token: Secret) -> None:
    """Serve until cancelled. Raises SystemExit when the port is taken."""
    await SideServer(health_app(worker, metrics_token), settings.host, settings.port).serve()
