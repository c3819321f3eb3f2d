"""`/metrics` of API and worker: what was counted (internal/metrics.py), and what has to be asked for (internal/gauges.py).

A source that can't be asked right now is left out of the answer: a database that is down must not hide the other metrics.
"""

import asyncio
from collections.abc import Sequence

import structlog
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from internal import metrics
from internal.gauges import Gauge, Source

log = structlog.get_logger(__name__)

ASK_SECONDS = 5.0


def metrics_handler(sources: Sequence[Source]) -> HTTPRouteHandler:
    @get("/metrics", media_type=CONTENT_TYPE_PLAIN_0_0_4)
    async def show_metrics() -> Response[bytes]:
        """In Prometheus' text format."""
        asked = CollectorRegistry()
        for gauges in await asyncio.gather(*map(_asked, sources)):
            for gauge in gauges:
                asked.register(gauge)
        return Response(metrics.exposition() + generate_latest(asked), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    return show_metrics


async def _asked(source: Source) -> Sequence[Gauge]:
    try:
        async with asyncio.timeout(ASK_SECONDS):
            return await source()
    except Exception as error:  # also a database that is not migrated yet
        log.warning("metrics.incomplete", error=repr(error))
        return ()
