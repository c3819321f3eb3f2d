"""Every setting: its name, its limits and its environment variable. loader.py reads them.

A field's `env` is its variable; the YAML path is section and field. docs/configuration.md is generated from
these structs, and tests/unit/settings/test_settings.py holds .env.example to them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_type_hints

from msgspec import Meta, Struct

from internal.runtime.circuit_breaker import BreakerSettings
from internal.runtime.setting import env

PROJECT = Path(__file__).resolve().parents[2]


class Server(Struct, frozen=True, forbid_unknown_fields=True):
    host: Annotated[str, env("SERVER_HOST", "Address on which the API listens.")]
    port: Annotated[int, env("SERVER_PORT", "Port on which the API listens.", ge=1, le=65535)]
    workers: Annotated[int, env("SERVER_WORKERS", "API processes that share the port.", ge=1, le=256)]
    max_uploads: Annotated[int, env("SERVER_MAX_UPLOADS", "Uploads in flight in one API process; further ones wait.", ge=1)]
    upload_seconds: Annotated[float, env("SERVER_UPLOAD_SECONDS", "Longest time that one upload may take, in seconds.", gt=0)]
    shutdown_seconds: Annotated[
        float, env("SERVER_SHUTDOWN_SECONDS", "Time that requests get to end on SIGTERM, in seconds.", gt=0)
    ]
    max_connections: Annotated[
        int, env("SERVER_MAX_CONNECTIONS", "Connections of one API process; beyond it idle ones are closed, then 503.", ge=8)
    ]
    address_share: Annotated[
        float,
        env(
            "SERVER_ADDRESS_SHARE",
            "Largest share of connections and uploads that one address may have; 1: all.",
            gt=0,
            le=1,
        ),
    ]
    header_seconds: Annotated[float, env("SERVER_HEADER_SECONDS", "Time for a request's headers, in seconds.", gt=0)]
    stall_seconds: Annotated[
        float, env("SERVER_STALL_SECONDS", "Longest wait for a body's next byte, and for a client to take one, in seconds.", gt=0)
    ]
    least_rate: Annotated[
        float, env("SERVER_LEAST_RATE", "Least average rate of a body and of an answer, in bytes a second; 0: none.", ge=0)
    ]
    grace_seconds: Annotated[
        float, env("SERVER_GRACE_SECONDS", "How far a client may be behind the least rate, in seconds.", gt=0)
    ]
    keep_alive_seconds: Annotated[
        float, env("SERVER_KEEP_ALIVE_SECONDS", "Longest wait for a connection's next request, in seconds.", gt=0)
    ]
    cache_control: Annotated[str, env("SERVER_CACHE_CONTROL", "Cache-Control of binaries.", min_length=1)]


class Worker(Struct, frozen=True, forbid_unknown_fields=True):
    host: Annotated[str, env("WORKER_HOST", "Address of the worker's health endpoints.")]
    port: Annotated[int, env("WORKER_PORT", "Port of the worker's health endpoints; 0 takes any free one.", ge=0, le=65535)]
    fast_slots: Annotated[int, env("WORKER_FAST_SLOTS", "Tasks of the fast lane at once; 0: four a core.", ge=0, le=256)]
    slow_slots: Annotated[int, env("WORKER_SLOW_SLOTS", "Tasks of the slow lane at once; 0: one for two cores.", ge=0, le=256)]
    max_attempts: Annotated[int, env("WORKER_MAX_ATTEMPTS", "Tries of a rendition before it is failed.", ge=1, le=100)]
    lease_seconds: Annotated[
        float, env("WORKER_LEASE_SECONDS", "How long a claim holds without being renewed, in seconds.", gt=0)
    ]
    renew_seconds: Annotated[float, env("WORKER_RENEW_SECONDS", "How often a claim is renewed, in seconds.", gt=0)]
    backoff_seconds: Annotated[
        float, env("WORKER_BACKOFF_SECONDS", "Wait before the second try, in seconds; it doubles, with jitter.", ge=0)
    ]
    grace_seconds: Annotated[
        float, env("WORKER_GRACE_SECONDS", "Time to finish on SIGTERM before work is released, in seconds.", ge=0)
    ]
    housekeeping_seconds: Annotated[float, env("WORKER_HOUSEKEEPING_SECONDS", "How often housekeeping runs, in seconds.", gt=0)]
    overdue_seconds: Annotated[
        float, env("WORKER_OVERDUE_SECONDS", "A rendition this long past its due time is queued again.", gt=0)
    ]
    pause_seconds: Annotated[
        float, env("WORKER_PAUSE_SECONDS", "Wait between looks at a dependency that is down, in seconds.", gt=0)
    ]
    defer_seconds: Annotated[
        float, env("WORKER_DEFER_SECONDS", "A task that a worker can't end for so long is sent again later, in seconds.", gt=0)
    ]


class Database(Struct, frozen=True, forbid_unknown_fields=True):
    host: Annotated[str, env("DB_HOST", "PostgreSQL's host, or the folder of its Unix socket.")]
    port: Annotated[int, env("DB_PORT", "PostgreSQL's port.", ge=1, le=65535)]
    user: Annotated[str, env("DB_USER", "PostgreSQL's user.")]
    password: Annotated[str, env("DB_PASSWORD", "PostgreSQL's password.")]
    name: Annotated[str, env("DB_NAME", "PostgreSQL's database.")]
    ssl_mode: Annotated[str, env("DB_SSL_MODE", "libpq's sslmode: disable, prefer, require, verify-full, …")]
    pool_size: Annotated[int, env("DB_POOL_SIZE", "Connections of one process.", ge=2, le=200)]
    timeout_seconds: Annotated[
        float, env("DB_TIMEOUT_SECONDS", "Longest wait for a connection or a statement, in seconds.", gt=0)
    ]


class Kafka(Struct, frozen=True, forbid_unknown_fields=True):
    brokers: Annotated[str, env("KAFKA_BROKERS", "Kafka's bootstrap servers: host:port, separated by commas.")]
    topic: Annotated[str, env("KAFKA_TOPIC", "Topic of the fast lane.", min_length=1)]
    slow_topic: Annotated[str, env("KAFKA_SLOW_TOPIC", "Topic of the slow lane.", min_length=1)]
    events_topic: Annotated[str, env("KAFKA_EVENTS_TOPIC", "Topic of the events; empty: kept in the table only.")]
    dlq_topic: Annotated[str, env("KAFKA_DLQ_TOPIC", "Topic of the dead letters; empty: kept in the table only.")]
    group_id: Annotated[str, env("KAFKA_GROUP_ID", "Consumer group of the workers.", min_length=1)]
    auto_offset_reset: Annotated[
        Literal["earliest", "latest"], env("KAFKA_AUTO_OFFSET_RESET", "Where a new group begins; latest may lose messages.")
    ]
    partitions: Annotated[int, env("KAFKA_PARTITIONS", "Partitions of a topic that migrate creates.", ge=1, le=1000)]
    replication: Annotated[
        int, env("KAFKA_REPLICATION_FACTOR", "Copies of a topic that migrate creates; -1: the broker's default.", ge=-1)
    ]
    publish_seconds: Annotated[float, env("KAFKA_PUBLISH_SECONDS", "Longest time of one publish, in seconds.", gt=0)]
    request_seconds: Annotated[
        float, env("KAFKA_REQUEST_SECONDS", "Longest time of a consumer's or migrate's request; above the session's.", gt=0)
    ]
    session_seconds: Annotated[
        float, env("KAFKA_SESSION_SECONDS", "A worker silent for so long loses its partitions, in seconds.", gt=0)
    ]
    poll_seconds: Annotated[
        float, env("KAFKA_POLL_SECONDS", "A worker that has stalled for so long leaves its group, in seconds.", gt=0)
    ]
    security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"], env("KAFKA_SECURITY_PROTOCOL", "How to speak to the brokers.")
    ]
    sasl_mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], env("KAFKA_SASL_MECHANISM", "SASL mechanism, with SASL_*.")
    ]
    sasl_username: Annotated[str, env("KAFKA_SASL_USERNAME", "SASL user.")]
    sasl_password: Annotated[str, env("KAFKA_SASL_PASSWORD", "SASL password.")]
    ssl_cafile: Annotated[str, env("KAFKA_SSL_CAFILE", "CA certificates (PEM) for TLS; empty: the system's.")]


class Minio(Struct, frozen=True, forbid_unknown_fields=True):
    host: Annotated[str, env("MINIO_HOST", "Host of MinIO or another S3-compatible store.")]
    port: Annotated[int, env("MINIO_PORT", "Its port.", ge=1, le=65535)]
    access_key: Annotated[str, env("MINIO_ACCESS_KEY", "Access key of API and worker; empty: MINIO_ROOT_USER's.")]
    secret_key: Annotated[str, env("MINIO_SECRET_KEY", "Its secret key.")]
    root_user: Annotated[
        str, env("MINIO_ROOT_USER", "MinIO's root, for migrate alone: it makes the bucket and the access key's account.")
    ]
    root_password: Annotated[str, env("MINIO_ROOT_PASSWORD", "Its password.")]
    secure: Annotated[bool, env("MINIO_SSL", "Speak TLS to it.")]
    bucket: Annotated[str, env("S3_BUCKET_NAME", "The bucket; migrate creates it.", min_length=3)]
    region: Annotated[str, env("S3_LOCATION", "The bucket's region.", min_length=1)]
    threads: Annotated[int, env("MINIO_THREADS", "Calls to the store at once in one process.", ge=1, le=256)]
    connect_seconds: Annotated[float, env("MINIO_CONNECT_SECONDS", "Longest wait for a connection to it, in seconds.", gt=0)]
    timeout_seconds: Annotated[float, env("MINIO_TIMEOUT_SECONDS", "Longest wait for the store's next bytes, in seconds.", gt=0)]

    @property
    def key(self) -> "AccessKey":
        """The key that works with objects: the access key, or root's where there is none."""
        return AccessKey(self.access_key, self.secret_key) if self.access_key else self.root or AccessKey("", "")

    @property
    def root(self) -> "AccessKey | None":
        """MinIO's root, where it is given: it may make buckets and accounts."""
        return AccessKey(self.root_user, self.root_password) if self.root_user else None


class AccessKey(NamedTuple):
    """A key of an S3 store."""

    access: str
    secret: str


class Storage(Struct, frozen=True, forbid_unknown_fields=True):
    backend: Annotated[Literal["minio", "filesystem"], env("STORAGE_BACKEND", "Where originals and results are kept.")]
    path: Annotated[str, env("STORAGE_PATH", "Folder of the filesystem backend.", min_length=1)]
    intent_seconds: Annotated[
        float,
        env("STORAGE_INTENT_SECONDS", "How long an object that is being written may go without progress, in seconds.", gt=0),
    ]
    sweep_seconds: Annotated[
        float, env("STORAGE_SWEEP_SECONDS", "An unreferenced object is deleted this long after its deadline, in seconds.", ge=0)
    ]


class QueueSettings(Struct, frozen=True, forbid_unknown_fields=True):
    backend: Annotated[Literal["kafka", "postgres"], env("QUEUE_BACKEND", "What carries tasks from the API to the worker.")]
    visibility_seconds: Annotated[
        float, env("QUEUE_VISIBILITY_SECONDS", "postgres: a message that nobody holds this long is given out again.", gt=0)
    ]
    outbox_lease_seconds: Annotated[
        float,
        env(
            "OUTBOX_LEASE_SECONDS",
            "What a killed API was publishing goes out by another one this much later: more seconds than KAFKA_PUBLISH_SECONDS.",
            gt=0,
        ),
    ]


class Retention(Struct, frozen=True, forbid_unknown_fields=True):
    events_days: Annotated[
        int, env("EVENTS_RETENTION_DAYS", "Events older than so many days are removed; 0: never.", ge=0, le=36_500)
    ]
    dead_letters_days: Annotated[
        int, env("DEAD_LETTERS_RETENTION_DAYS", "Dead letters older than so many days are removed; 0: never.", ge=0, le=36_500)
    ]


class Sandbox(Struct, frozen=True, forbid_unknown_fields=True):
    children: Annotated[int, env("SANDBOX_CHILDREN", "Decoder processes; 0: two a core and one a slow slot.", ge=0, le=256)]
    memory_bytes: Annotated[int, env("SANDBOX_MEMORY_BYTES", "Address space of one decoder, in bytes.", ge=256 * 2**20)]
    cpu_seconds: Annotated[float, env("SANDBOX_CPU_SECONDS", "CPU time of one picture, in seconds.", gt=0)]
    wall_seconds: Annotated[float, env("SANDBOX_WALL_SECONDS", "Time of one picture on the clock, in seconds.", gt=0)]
    max_pictures: Annotated[int, env("SANDBOX_MAX_PICTURES", "A decoder is replaced after so many pictures.", ge=1)]
    require: Annotated[
        str,
        env(
            "SANDBOX_REQUIRE",
            "Walls without which a worker does not start: landlock, seccomp, cgroup, separated by commas; empty: it warns.",
            pattern=r"^(|(landlock|seccomp|cgroup)(, ?(landlock|seccomp|cgroup))*)\Z",
        ),
    ]
    scratch: Annotated[
        str, env("SANDBOX_SCRATCH", "Where the folder for pictures in work is made; empty: memory (/dev/shm) or the system's.")
    ]


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    max_upload_bytes: Annotated[int, env("MAX_UPLOAD_BYTES", "Largest picture, in bytes.", ge=1)]
    max_width: Annotated[int, env("MAX_WIDTH", "Widest picture, in pixels.", ge=1)]
    max_height: Annotated[int, env("MAX_HEIGHT", "Highest picture, in pixels.", ge=1)]
    max_pixels: Annotated[int, env("MAX_PIXELS", "Most pixels of a picture, all frames together.", ge=1)]
    max_frames: Annotated[int, env("MAX_FRAMES", "Most frames of an animation.", ge=1)]
    max_output_pixels: Annotated[int, env("MAX_OUTPUT_PIXELS", "Most pixels of a result, all frames together.", ge=1)]
    max_output_bytes: Annotated[int, env("MAX_OUTPUT_BYTES", "Largest result, in bytes.", ge=1)]
    max_operations: Annotated[int, env("MAX_OPERATIONS", "Longest pipeline, in operations.", ge=1)]
    max_renditions: Annotated[int, env("MAX_RENDITIONS", "Most renditions of one image.", ge=1)]
    max_metadata_bytes: Annotated[int, env("MAX_METADATA_BYTES", "Largest metadata, in bytes of JSON.", ge=2)]
    heif_input: Annotated[
        bool, env("HEIF_INPUT", "Take AVIF too. HEIC as well, which needs another libvips than that of the Python packages.")
    ]
    slow_pixels: Annotated[int, env("SLOW_PIXELS", "Pictures with more pixels go to the slow lane.", ge=1)]
    slow_animation_bytes: Annotated[int, env("SLOW_ANIMATION_BYTES", "Animations with more bytes go to the slow lane.", ge=1)]


class Processing(Struct, frozen=True, forbid_unknown_fields=True):
    default: Annotated[str, env("DEFAULT_PROCESSING", "Processing of an upload that names none.", min_length=1)]
    format_auto: Annotated[
        Literal["webp", "avif"], env("FORMAT_AUTO", "What `format:auto` makes beside its fallback; avif takes seconds.")
    ]
    presets: Annotated[dict[str, str], env("PRESETS", "Named pipelines, for `preset:NAME`; in the environment a JSON object.")]


class Logging(Struct, frozen=True, forbid_unknown_fields=True):
    level: Annotated[Literal["debug", "info", "warning", "error"], env("LOG_LEVEL", "Least level that is logged.")]
    format: Annotated[Literal["json", "console"], env("LOG_FORMAT", "json for machines, console for people.")]


class Health(Struct, frozen=True, forbid_unknown_fields=True):
    seconds: Annotated[
        float, env("HEALTH_SECONDS", "Longest look at one dependency, for /health and /metrics, in seconds.", gt=0)
    ]


class Metrics(Struct, frozen=True, forbid_unknown_fields=True):
    port: Annotated[
        int, env("METRICS_PORT", "Port of the API's /metrics; 0: SERVER_PORT, for this machine or METRICS_TOKEN.", ge=0, le=65535)
    ]
    token: Annotated[
        str,
        env(
            "METRICS_TOKEN",
            "Token without which /metrics of API and worker answers nobody (Authorization: Bearer); empty: none is asked for.",
            pattern=r"^[!-~]*\Z",
        ),
    ]


class Migration(Struct, frozen=True, forbid_unknown_fields=True):
    wait_seconds: Annotated[
        float, env("MIGRATE_WAIT_SECONDS", "How long migrate waits for services that are only starting, in seconds.", ge=0)
    ]
    lock_seconds: Annotated[
        float,
        env("MIGRATE_LOCK_SECONDS", "How long a migration tries to lock a table beside dumps and others, in seconds.", ge=0),
    ]


class Standalone(Struct, frozen=True, forbid_unknown_fields=True):
    data: Annotated[str, env("DATA_PATH", "Folder of the standalone deployment's database and objects.", min_length=1)]


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """All of it. Sections are YAML's top-level keys."""

    server: Server
    worker: Worker
    database: Database
    storage: Storage
    minio: Minio
    breaker: BreakerSettings
    queue: QueueSettings
    kafka: Kafka
    retention: Retention
    sandbox: Sandbox
    limits: Limits
    processing: Processing
    logging: Logging
    health: Health
    metrics: Metrics
    migration: Migration
    standalone: Standalone


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
