"""The settings of Kafka."""

from typing import Annotated, Literal

from msgspec import Struct

from internal.runtime.setting import env


class KafkaSettings(Struct, frozen=True, forbid_unknown_fields=True):
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
