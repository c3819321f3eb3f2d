"""Where the gauges of `/metrics` come from: the tables, the queue, and the pools of this process."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from internal.domain.message import Channel
from internal.ports.queue import Queue
from internal.ports.repository.repository import Repository
from internal.runtime.circuit_breaker import CircuitBreaker

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


def of_tables(repository: Repository) -> Source:
    async def ask() -> Sequence[Gauge]:
        found = await repository.measures()
        return (
            Gauge("outbox_messages", "Messages that are still to be published.", found.outbox_messages),
            Gauge(
                "outbox_oldest_age_seconds",
                "Time since the oldest of them was first due, in seconds.",
                found.outbox_oldest_seconds,
            ),
            Gauge(
                "renditions",
                "Renditions that are not final, by status.",
                {"uploaded": found.renditions_waiting, "processing": found.renditions_processing},
                label="status",
            ),
            Gauge(
                "renditions_oldest_age_seconds",
                "Time since the oldest rendition that is not final was asked for, by status, in seconds.",
                {"uploaded": found.waiting_oldest_seconds or 0, "processing": found.processing_oldest_seconds or 0},
                label="status",
            ),
            Gauge("leases_expired", "Attempts whose lease ran out and that nobody has taken up yet.", found.leases_expired),
            Gauge("unreferenced_objects", "Objects that are listed for removal, or being written.", found.unreferenced_objects),
            Gauge("unreferenced_objects_overdue", "Those past their deadline.", found.unreferenced_overdue),
            Gauge("dead_letters", "Dead letters that nobody has replayed or dropped.", found.dead_letters),
        )

    return ask


def of_database(repository: Repository) -> Source:
    async def ask() -> Sequence[Gauge]:
        found = await repository.health()
        return (
            Gauge(
                "database_oldest_snapshot_age_seconds",
                "Age of the oldest transaction that keeps dead rows from being removed, in seconds.",
                found.oldest_snapshot_seconds,
            ),
            Gauge(
                "database_oldest_xmin_age_transactions",
                "Transactions since the oldest one that a session, replication slot or prepared transaction keeps rows for.",
                found.oldest_xmin_transactions,
            ),
            Gauge("database_dead_rows", "Dead rows, as PostgreSQL estimates them.", found.dead_rows, label="table"),
        )

    return ask


def of_queue(queue: Queue) -> Source:
    async def ask() -> Sequence[Gauge]:
        lags = {lane.value: await queue.lag(lane) for lane in (Channel.FAST, Channel.SLOW)}
        return (Gauge("queue_lag_messages", "Messages that are published and not acknowledged.", lags, label="lane"),)

    return ask


def of_database_pool(statistics: Callable[[], Mapping[str, int]]) -> Source:
    """From what psycopg's pool says of itself."""

    async def ask() -> Sequence[Gauge]:
        found = statistics()
        size, idle = found.get("pool_size", 0), found.get("pool_available", 0)
        return (
            Gauge(
                "database_pool_connections",
                "This process's connections to PostgreSQL, by state.",
                {"busy": size - idle, "idle": idle},
                label="state",
            ),
            Gauge("database_pool_waiting_requests", "Calls that wait for a connection.", found.get("requests_waiting", 0)),
        )

    return ask


def of_sandbox(use: Callable[[], Mapping[str, int]]) -> Source:
    async def ask() -> Sequence[Gauge]:
        return (Gauge("sandbox_decoders", "Decoder processes, by state.", use(), label="state"),)

    return ask


def of_circuits(*breakers: CircuitBreaker) -> Source:
    async def ask() -> Sequence[Gauge]:
        states = {breaker.name: float(breaker.is_open) for breaker in breakers}
        return (Gauge("circuit_open", "1 while the dependency is left alone.", states, label="dependency"),)

    return ask
