"""All settings, assembled from the sections of the rooms. loader.py reads their values.

A setting is a field of its room's section; `env` gives its variable, its text and its limits.
"""

from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

from msgspec import Meta, Struct

from internal.http.settings import ServerSettings
from internal.intake.settings import LimitSettings, ProcessingSettings
from internal.maintenance.settings import RetentionSettings
from internal.objectstore.s3.settings import MinioSettings
from internal.objectstore.settings import StorageSettings
from internal.observability.settings import HealthSettings, LoggingSettings, MetricsSettings
from internal.postgres.settings import DatabaseSettings, MigrationSettings
from internal.queue.kafka.settings import KafkaSettings
from internal.queue.settings import QueueSettings
from internal.rendering.settings import WorkerSettings
from internal.runtime.circuit_breaker import BreakerSettings
from internal.runtime.data_folder import StandaloneSettings
from internal.sandbox.settings import SandboxSettings


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """All settings. Each section is a top-level key of the YAML, and belongs to the room that its struct comes from."""

    server: ServerSettings
    worker: WorkerSettings
    database: DatabaseSettings
    storage: StorageSettings
    minio: MinioSettings
    breaker: BreakerSettings
    queue: QueueSettings
    kafka: KafkaSettings
    retention: RetentionSettings
    sandbox: SandboxSettings
    limits: LimitSettings
    processing: ProcessingSettings
    logging: LoggingSettings
    health: HealthSettings
    metrics: MetricsSettings
    migration: MigrationSettings
    standalone: StandaloneSettings


class Setting(Struct, frozen=True):
    """One setting, for documents and error messages: where it stands in YAML and which variable overrides it."""

    section: str
    name: str
    variable: str
    description: str
    type: Any

    @property
    def path(self) -> str:
        return f"{self.section}.{self.name}"


def every_setting() -> Iterator[Setting]:
    """All settings in the order in which they are written above."""
    for section, struct in get_type_hints(Settings).items():
        for name, hint in get_type_hints(struct, include_extras=True).items():
            plain, meta = get_args(hint)[0], next(extra for extra in get_args(hint)[1:] if isinstance(extra, Meta))
            yield Setting(section, name, (meta.extra or {})["env"], meta.description or "", plain)
