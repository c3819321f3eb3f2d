"""The services that tests need: how to reach one, and where it came from."""

from typing import Literal, Protocol, TypeAlias, TypeVar

from minio import Minio
from msgspec import Raw, Struct, structs

from internal.objectstore.s3.settings import MinioSettings
from internal.postgres.settings import DatabaseSettings
from internal.runtime.secret import Secret
from internal.settings.loader import load_settings

Source: TypeAlias = Literal["environment", "testcontainers", "wheels"]


class PostgresService(Struct, frozen=True):
    """A PostgreSQL server. `host` may be the folder of its Unix socket."""

    source: Source
    host: str
    port: int
    user: str
    password: str
    database: str

    @property
    def conninfo(self) -> str:
        """For libpq and psycopg."""
        return f"host={self.host} port={self.port} user={self.user} password='{self.password}' dbname={self.database}"

    def settings(self, *, pool_size: int = 2) -> DatabaseSettings:
        """For the repository under test. Patient: a busy server is no outage."""
        return DatabaseSettings(
            self.host, self.port, self.user, Secret(self.password), self.database, "prefer", pool_size, timeout_seconds=30.0
        )

    @property
    def variables(self) -> dict[str, str]:
        """For a process of ours that is to work with it."""
        return {
            "DB_HOST": self.host,
            "DB_PORT": str(self.port),
            "DB_USER": self.user,
            "DB_PASSWORD": self.password,
            "DB_NAME": self.database,
        }


class S3Service(Struct, frozen=True):
    """An S3 server."""

    source: Source
    host: str
    port: int
    access_key: str
    secret_key: str
    secure: bool = False

    def settings(self, bucket: str) -> MinioSettings:
        """For the adapter under test. Patient: a busy server is no outage, and who tests outages sets times of their own."""
        given = {"host": self.host, "port": self.port, "access_key": self.access_key, "secret_key": Secret(self.secret_key)}
        patient = {"connect_seconds": 30.0, "timeout_seconds": 60.0}
        return structs.replace(load_settings({}).minio, **given, **patient, secure=self.secure, bucket=bucket)

    def client(self) -> Minio:
        """To look at the server behind the back of what is tested."""
        return Minio(f"{self.host}:{self.port}", self.access_key, self.secret_key, secure=self.secure, region="us-east-1")


class KafkaService(Struct, frozen=True):
    """A Kafka cluster; `brokers` as host:port, separated by commas."""

    source: Source
    brokers: str


Service: TypeAlias = PostgresService | S3Service | KafkaService
S = TypeVar("S", PostgresService, S3Service, KafkaService)

NAMES: dict[type[Service], str] = {PostgresService: "postgres", S3Service: "s3", KafkaService: "kafka"}
KINDS: dict[str, type[Service]] = {name: kind for kind, name in NAMES.items()}


class Switch(Protocol):
    """Ends a server, and starts it again with its data and at its address."""

    def stop(self) -> None:
        """As an administrator does; what it has in hand it may put in order."""

    def kill(self) -> None:
        """With -9."""

    def start(self) -> None:
        """It may not answer yet."""


class Started(Struct, frozen=True):
    """A server that runs; without a `switch` it can't come back with its data."""

    service: Service
    switch: Switch | None = None


class Report(Struct):
    """What a keeper started; `note` says why it is not in a container, when Docker is there."""

    service: Raw
    source: str
    note: str = ""
