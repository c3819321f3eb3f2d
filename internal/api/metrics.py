"""`/metrics` of API and worker: what was counted (internal/metrics.py), and what has to be asked for at each scrape.

A source that can't be asked right now is left out of the answer: a database that is down must not hide the other metrics.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import structlog
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from internal import metrics
from internal.errors import ServiceError

log = structlog.get_logger(__name__)

ASK_SECONDS = 5.0
PREFIX = "image_processor_"


class Gauge(Collector):
    """One measure as it is now: `values` by the value of `label`, or one under the empty name when there is no label."""

    def __init__(self, name: str, description: str, values: float | Mapping[str, float], label: str = "") -> None:
        self._name, self._description, self._label = PREFIX + name, description, label
        self._values = values if isinstance(values, Mapping) else {"": values}

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily(self._name, self._description, labels=[self._label] if self._label else [])
        for value, measure in self._values.items():
            family.add_metric([value] if self._label else [], measure)
        yield family


Source = Callable[[], Awaitable[Sequence[Gauge]]]
"""Asks for measures. Raises ServiceError when it can't."""


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
    except (ServiceError, TimeoutError) as error:
        log.warning("metrics.incomplete", error=repr(error))
        return ()
