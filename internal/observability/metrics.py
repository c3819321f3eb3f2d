"""Counters and histograms of this process, named by Prometheus' conventions: base units, `_total` for counters.

Gauges that are read at a scrape (depths, ages, pools) are in gauges.py. With several API processes on one port
(`SERVER_WORKERS`) their counts are summed: see shared_between_processes.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

disable_created_metrics()  # type: ignore[no-untyped-call]
_registry = CollectorRegistry()
_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_BYTES = tuple(float(4**power * 1024) for power in range(1, 10))  # 4 KiB to 256 MiB

HTTP_REQUESTS = Counter(
    "image_processor_http_requests_total", "Requests answered.", ("method", "route", "status"), registry=_registry
)
HTTP_SECONDS = Histogram(
    "image_processor_http_request_duration_seconds",
    "Time from a request's first byte to its answer's last, in seconds.",
    ("method", "route"),
    buckets=_QUICK,
    registry=_registry,
)
RATE_LIMITED = Counter(
    "image_processor_rate_limited_total", "Requests that a rate limit refused, by limit.", ("limit",), registry=_registry
)
UPLOAD_BYTES = Histogram("image_processor_upload_size_bytes", "Accepted pictures, in bytes.", buckets=_BYTES, registry=_registry)
STAGE_SECONDS = Histogram(
    "image_processor_stage_duration_seconds",
    "Time of one stage of an attempt, in seconds: fetch the original, render, store the result.",
    ("stage",),
    buckets=_QUICK,
    registry=_registry,
)
RENDER_CPU_SECONDS = Counter(
    "image_processor_render_cpu_seconds_total",
    "CPU time that decoders spent on finished pictures, in seconds.",
    registry=_registry,
)
ATTEMPTS = Counter(
    "image_processor_attempts_total",
    "Attempts by how they ended: processed, failed, postponed, lost, paused or released.",
    ("outcome",),
    registry=_registry,
)
FAILURES = Counter(
    "image_processor_failures_total", "Attempts that went wrong, by the error's code.", ("code",), registry=_registry
)
SANDBOX_DEATHS = Counter(
    "image_processor_sandbox_deaths_total",
    "Decoders that died at work, by the code that their picture's attempt ends with.",
    ("code",),
    registry=_registry,
)
PUBLISHED = Counter(
    "image_processor_outbox_published_total", "Messages that the relay gave to the queue.", ("channel",), registry=_registry
)
NOT_PUBLISHED = Counter(
    "image_processor_outbox_publish_failures_total", "Messages that the queue did not take.", ("channel",), registry=_registry
)
CONSUMER_RESTARTS = Counter(
    "image_processor_queue_consumer_restarts_total",
    "Times that this process's consumer of a lane could not go on and was replaced.",
    ("channel",),
    registry=_registry,
)
UNREADABLE_RECORDS = Counter(
    "image_processor_queue_unreadable_total",
    "Messages of a lane that could not be read and became dead letters.",
    ("channel",),
    registry=_registry,
)
JWKS_FETCHES = Counter(
    "image_processor_jwks_fetches_total",
    "Attempts to fetch the keys of the tokens' issuer: ok or failed.",
    ("outcome",),
    registry=_registry,
)
DEFERRED = Counter(
    "image_processor_deferred_tasks_total",
    "Tasks that a worker could not end for long and sent again, by lane.",
    ("lane",),
    registry=_registry,
)
REQUEUED = Counter(
    "image_processor_requeued_total",
    "Renditions that housekeeping queued again, by reason: lease or overdue.",
    ("reason",),
    registry=_registry,
)
CHORE_LAST_SUCCESS = Gauge(
    "image_processor_chore_last_success_timestamp_seconds",
    "When a chore of housekeeping last ended well in this worker, or the worker started, in seconds since 1970.",
    ("chore",),
    multiprocess_mode="max",
    registry=_registry,
)
CHORE_FAILURES = Counter(
    "image_processor_chore_failures_total", "Rounds in which a chore of housekeeping failed.", ("chore",), registry=_registry
)
CHORE_ROWS_FAILED = Counter(
    "image_processor_chore_rows_failed_total",
    "Rows that a chore of housekeeping could not deal with and set aside.",
    ("chore",),
    registry=_registry,
)
PURGED = Counter(
    "image_processor_purged_rows_total",
    "Rows older than their retention that were removed, by chore.",
    ("chore",),
    registry=_registry,
)
GC_DELETED = Counter("image_processor_swept_objects_total", "Unreferenced objects that were deleted.", registry=_registry)
CUT_OFF = Counter(
    "image_processor_connections_cut_off_total",
    "Connections that were ended or refused, by reason: head, body or reading were too slow; place: a slow upload while others "
    "waited; idle: its place was wanted; refused: there were too many.",
    ("reason",),
    registry=_registry,
)
MISSING = Counter(
    "image_processor_missing_objects_total",
    "Downloads that failed because the store has lost an object that a row refers to.",
    registry=_registry,
)
DAMAGED = Counter(
    "image_processor_damaged_objects_total",
    "Downloads that were refused because the store's object has another size than the row that refers to it.",
    registry=_registry,
)
UNREADABLE = Counter(
    "image_processor_unreadable_objects_total",
    "Reads of an object that the store could not give, while it gave another one.",
    registry=_registry,
)
BROKEN_OFF = Counter(
    "image_processor_downloads_broken_off_total",
    "Downloads whose body ended early because the store failed in the middle.",
    registry=_registry,
)


def exposition() -> bytes:
    """All metrics of this module in Prometheus' text format."""
    if _FOLDER not in os.environ:
        return generate_latest(_registry)
    shared = CollectorRegistry()
    MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
    return generate_latest(shared)


@contextmanager
def shared_between_processes() -> Iterator[None]:
    """For a process that starts others: their counts are summed, in files that are removed when the block ends."""
    folder = tempfile.mkdtemp(prefix="image-processor-metrics-")
    os.environ[_FOLDER] = folder
    try:
        yield
    finally:
        os.environ.pop(_FOLDER, None)
        shutil.rmtree(folder, ignore_errors=True)
