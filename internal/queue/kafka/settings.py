"""The settings of Kafka."""

from typing import Annotated, Literal

from msgspec import Struct

from internal.runtime.secret import Secret
from internal.runtime.section import SettingsError, env


class KafkaSettings(Struct, frozen=True, forbid_unknown_fields=True):
    brokers: Annotated[str, env("KAFKA_BROKERS", "Bootstrap servers of Kafka: host:port, separated by commas.")]
    topic: Annotated[str, env("KAFKA_TOPIC", "Topic of the fast lane.", min_length=1)]
    slow_topic: Annotated[str, env("KAFKA_SLOW_TOPIC", "Topic of the slow lane.", min_length=1)]
    events_topic: Annotated[str, env("KAFKA_EVENTS_TOPIC", "Topic of the events. Empty: events stay in the database.")]
    dlq_topic: Annotated[str, env("KAFKA_DLQ_TOPIC", "Topic of the dead letters. Empty: dead letters stay in the database.")]
    group_id: Annotated[
        str, env("KAFKA_GROUP_ID", "Consumer group of the workers. The name of the lane is appended.", min_length=1)
    ]
    auto_offset_reset: Annotated[
        Literal["earliest", "latest"],
        env(
            "KAFKA_AUTO_OFFSET_RESET",
            "Offset at which a new consumer group starts. latest skips the messages that are there already.",
        ),
    ]
    partitions: Annotated[int, env("KAFKA_PARTITIONS", "Partitions of each topic that migrate creates.", ge=1, le=1000)]
    replication: Annotated[
        int,
        env(
            "KAFKA_REPLICATION_FACTOR", "Replication factor of each topic that migrate creates. -1: the broker's default.", ge=-1
        ),
    ]
    publish_seconds: Annotated[float, env("KAFKA_PUBLISH_SECONDS", "Time limit for publishing one message, in seconds.", gt=0)]
    request_seconds: Annotated[
        float,
        env(
            "KAFKA_REQUEST_SECONDS",
            "Time limit of one request of a consumer or of migrate, in seconds. Should be more than KAFKA_SESSION_SECONDS.",
            gt=0,
        ),
    ]
    session_seconds: Annotated[
        float,
        env(
            "KAFKA_SESSION_SECONDS",
            "Session timeout: a worker that sends no heartbeat for this many seconds loses its partitions.",
            gt=0,
        ),
    ]
    poll_seconds: Annotated[
        float,
        env("KAFKA_POLL_SECONDS", "Poll interval: a worker whose consumer hangs for this many seconds leaves its group.", gt=0),
    ]
    security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
        env("KAFKA_SECURITY_PROTOCOL", "Protocol of the connections to the brokers."),
    ]
    sasl_mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"],
        env("KAFKA_SASL_MECHANISM", "SASL mechanism, if KAFKA_SECURITY_PROTOCOL is SASL_PLAINTEXT or SASL_SSL."),
    ]
    sasl_username: Annotated[str, env("KAFKA_SASL_USERNAME", "SASL user name.")]
    sasl_password: Annotated[Secret, env("KAFKA_SASL_PASSWORD", "SASL password.")]
    ssl_cafile: Annotated[
        str, env("KAFKA_SSL_CAFILE", "File with the CA certificates for TLS, in PEM. Empty: those of the system.")
    ]

    def validate(self) -> None:
        """SASL needs a user and a password."""
        if self.security_protocol.startswith("SASL_"):
            for name, value in (("KAFKA_SASL_USERNAME", self.sasl_username), ("KAFKA_SASL_PASSWORD", self.sasl_password)):
                if not value:
                    raise SettingsError(f"{name}: KAFKA_SECURITY_PROTOCOL is {self.security_protocol}, and this is empty")
