"""All settings, assembled from the sections of the rooms. loader.py reads their values.

A setting is a field of its room's section; `env` gives its variable, its text and its limits.
"""

from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

from msgspec import Meta, Struct

from internal.http.middleware.settings import MiddlewareSettings
from internal.http.settings import ServerSettings
from internal.identity.settings import AuthSettings, LinkSettings
from internal.identity.tokens.settings import JwtSettings
from internal.intake.settings import LimitSettings, ProcessingSettings, UploadSettings
from internal.limits.settings import QuotaSettings, RateSettings
from internal.maintenance.settings import RetentionSettings
from internal.objectstore.s3.settings import MinioSettings
from internal.objectstore.settings import StorageSettings
from internal.observability.settings import HealthSettings, LoggingSettings, MetricsSettings
from internal.postgres.settings import DatabaseSettings, MigrationSettings
from internal.queue.kafka.settings import KafkaSettings
from internal.queue.settings import QueueSettings
from internal.rendering.settings import WorkerSettings
from internal.runtime.secret import Secret
from internal.runtime.section import SettingsError, Validated
from internal.runtime.settings import BreakerSettings, StandaloneSettings
from internal.sandbox.settings import SandboxSettings


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """All settings. Each section is a top-level key of the YAML, and belongs to the room that its struct comes from."""

    server: ServerSettings
    middleware: MiddlewareSettings
    auth: AuthSettings
    jwt: JwtSettings
    links: LinkSettings
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
    rates: RateSettings
    uploads: UploadSettings
    quotas: QuotaSettings
    processing: ProcessingSettings
    logging: LoggingSettings
    health: HealthSettings
    metrics: MetricsSettings
    migration: MigrationSettings
    standalone: StandaloneSettings

    @property
    def sections(self) -> list[str]:
        """The names of the sections in use: not those of adapters that are not, nor of tokens that are not taken."""
        unused = {"minio"} - {self.storage.backend} | {"kafka"} - {self.queue.backend}
        unused |= {"jwt"} - set(self.auth.kinds)
        return [name for name in self.__struct_fields__ if name not in unused]

    def validate(self) -> None:
        """Check the values that depend on each other, in each section and between rooms. Raises SettingsError.

        The sections of adapters that are not in use may be incomplete.
        """
        for name in self.sections:
            section = getattr(self, name)
            if isinstance(section, Validated):
                section.validate()
        if "kafka" in self.sections:
            _more("OUTBOX_LEASE_SECONDS", self.queue.outbox_lease_seconds, "KAFKA_PUBLISH_SECONDS", self.kafka.publish_seconds)
        # A worker renews its claim and the deadline of the object that it writes together.
        _more("STORAGE_INTENT_SECONDS", self.storage.intent_seconds, "WORKER_RENEW_SECONDS", self.worker.renew_seconds)


def _more(variable: str, value: float, other: str, least: float) -> None:
    if value <= least:
        raise SettingsError(f"{variable}: {value:g} has to be more than {other}, which is {least:g}")


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

    @property
    def secret(self) -> bool:
        return self.type is Secret

    @property
    def file_variable(self) -> str:
        """The variable with the path of a file that holds the value. Secrets have one."""
        return f"{self.variable}_FILE"

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that set it."""
        return (self.variable, self.file_variable) if self.secret else (self.variable,)


def every_setting() -> Iterator[Setting]:
    """All settings in the order in which they are written above."""
    for section, struct in get_type_hints(Settings).items():
        for name, hint in get_type_hints(struct, include_extras=True).items():
            plain, meta = get_args(hint)[0], next(extra for extra in get_args(hint)[1:] if isinstance(extra, Meta))
            yield Setting(section, name, (meta.extra or {})["env"], meta.description or "", plain)
