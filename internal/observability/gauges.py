"""Gauges of `/metrics` that are read at each scrape: from the tables, the queue, and the pools of this process."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from internal.domain.message import Channel
from internal.ports.queue import Queue
from internal.ports.repository.repository import Repository
from internal.runtime.circuit_breaker import CircuitBreaker

PREFIX = "image_processor_"


class ScrapedGauge(Collector):
    """A gauge with its values now: one value, or one for each value of `label`."""

    def __init__(self, name: str, description: str, values: float | Mapping[str, float], label: str = "") -> None:
        self._name, self._description, self._label = PREFIX + name, description, label
        self._values = values if isinstance(values, Mapping) else {"": values}

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily(self._name, self._description, labels=[self._label] if self._label else [])
        for value, measure in self._values.items():
            family.add_metric([value] if self._label else [], measure)
        yield family


GaugeSource = Callable[[], Awaitable[Sequence[ScrapedGauge]]]
"""Reads gauges. Raises ServiceError if it can't; then the scrape omits them."""


def table_gauges(repository: Repository) -> GaugeSource:
    async def read() -> Sequence[ScrapedGauge]:
        stats = await repository.backlog_stats()
        return (
            ScrapedGauge("outbox_messages", "Messages that wait to be published.", stats.outbox_messages),
            ScrapedGauge(
                "outbox_oldest_age_seconds",
                "Time since the oldest message was first due, in seconds.",
                stats.outbox_oldest_seconds,
            ),
            ScrapedGauge(
                "renditions",
                "Renditions that are not final, by status.",
                {"uploaded": stats.renditions_waiting, "processing": stats.renditions_processing},
                label="status",
            ),
            ScrapedGauge(
                "renditions_oldest_age_seconds",
                "Time since the oldest rendition that is not final was asked for, by status, in seconds.",
                {"uploaded": stats.waiting_oldest_seconds or 0, "processing": stats.processing_oldest_seconds or 0},
                label="status",
            ),
            ScrapedGauge(
                "leases_expired", "Attempts whose lease has run out and that are not yet requeued.", stats.leases_expired
            ),
            ScrapedGauge(
                "unreferenced_objects", "Objects that are listed for removal, or being written.", stats.unreferenced_objects
            ),
            ScrapedGauge("unreferenced_objects_overdue", "Unreferenced objects past their deadline.", stats.unreferenced_overdue),
            ScrapedGauge("dead_letters", "Dead letters that nobody has replayed or dropped.", stats.dead_letters),
        )

    return read


def database_gauges(repository: Repository) -> GaugeSource:
    async def read() -> Sequence[ScrapedGauge]:
        health = await repository.database_health()
        return (
            ScrapedGauge(
                "database_oldest_snapshot_age_seconds",
                "Age of the oldest transaction that keeps dead rows from being removed, in seconds.",
                health.oldest_snapshot_seconds,
            ),
            ScrapedGauge(
                "database_oldest_xmin_age_transactions",
                "Transactions since the oldest one that a session, replication slot or prepared transaction keeps rows for.",
                health.oldest_xmin_transactions,
            ),
            ScrapedGauge("database_dead_rows", "Dead rows, as PostgreSQL estimates them.", health.dead_rows, label="table"),
        )

    return read


def queue_gauges(queue: Queue) -> GaugeSource:
    async def read() -> Sequence[ScrapedGauge]:
        lags = {lane.value: await queue.lag(lane) for lane in (Channel.FAST, Channel.SLOW)}
        return (ScrapedGauge("queue_lag_messages", "Messages that are published and not acknowledged.", lags, label="lane"),)

    return read


def database_pool_gauges(statistics: Callable[[], Mapping[str, int]]) -> GaugeSource:
    """From the statistics of psycopg's pool."""

    async def read() -> Sequence[ScrapedGauge]:
        stats = statistics()
        size, idle = stats.get("pool_size", 0), stats.get("pool_available", 0)
        return (
            ScrapedGauge(
                "database_pool_connections",
                "This process's connections to PostgreSQL, by state.",
                {"busy": size - idle, "idle": idle},
                label="state",
            ),
            ScrapedGauge("database_pool_waiting_requests", "Calls that wait for a connection.", stats.get("requests_waiting", 0)),
        )

    return read


def sandbox_gauges(use: Callable[[], Mapping[str, int]]) -> GaugeSource:
    async def read() -> Sequence[ScrapedGauge]:
        return (ScrapedGauge("sandbox_decoders", "Decoder processes, by state.", use(), label="state"),)

    return read


def circuit_gauges(*breakers: CircuitBreaker) -> GaugeSource:
    async def read() -> Sequence[ScrapedGauge]:
        states = {breaker.name: float(breaker.is_open) for breaker in breakers}
        return (
            ScrapedGauge(
                "circuit_open", "1 while the circuit is open: calls to the dependency are refused.", states, label="dependency"
            ),
        )

    return read
