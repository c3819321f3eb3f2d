"""`/metrics` of API and worker: the counters of internal/observability/metrics.py, the gauges of gauges.py there.

Sources that fail are omitted from the scrape: a database that is down must not hide the other metrics.
"""

import asyncio
from collections.abc import Sequence

import structlog
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CollectorRegistry, generate_latest

from internal.http.asgi import ApiRequest
from internal.http.monitoring.metrics_access import MetricsAccess
from internal.observability import metrics
from internal.observability.gauges import GaugeSource, ScrapedGauge

log = structlog.get_logger(__name__)

SOURCE_SECONDS = 5.0
MEDIA_TYPE = "text/plain; version=0.0.4"
"""Of Prometheus' text format. Litestar adds the charset to every text."""

EVERYBODY = MetricsAccess()


def metrics_handler(sources: Sequence[GaugeSource], access: MetricsAccess = EVERYBODY) -> HTTPRouteHandler:
    @get("/metrics", media_type=MEDIA_TYPE)
    async def show_metrics(request: ApiRequest) -> Response[bytes]:
        """In Prometheus' text format."""
        access.check(request.client.host if request.client else None, request.headers)
        asked = CollectorRegistry()
        for gauges in await asyncio.gather(*map(_read_source, sources)):
            for gauge in gauges:
                asked.register(gauge)
        return Response(metrics.exposition() + generate_latest(asked), media_type=MEDIA_TYPE)

    return show_metrics


async def _read_source(source: GaugeSource) -> Sequence[ScrapedGauge]:
    try:
        async with asyncio.timeout(SOURCE_SECONDS):
            return await source()
    except Exception as error:  # also a database that is not migrated yet
        log.warning("metrics.incomplete", error=repr(error))
        return ()
