"""Services that somebody else runs, named by TEST_* variables; a service counts as named when its first variable is set."""

import os

from tests.services.kinds import KafkaService, PostgresService, S3Service, Service


def from_environment(name: str) -> Service | None:
    return {"postgres": _postgres, "s3": _s3, "kafka": _kafka}[name]()


def _postgres() -> PostgresService | None:
    if not (host := os.environ.get("TEST_DB_HOST")):
        return None
    return PostgresService(
        source="environment",
        host=host,
        port=int(os.environ.get("TEST_DB_PORT", "5432")),
        user=os.environ.get("TEST_DB_USER", "postgres"),
        password=os.environ.get("TEST_DB_PASSWORD", ""),
        database=os.environ.get("TEST_DB_NAME", "postgres"),
    )


def _s3() -> S3Service | None:
    if not (host := os.environ.get("TEST_MINIO_HOST")):
        return None
    return S3Service(
        source="environment",
        host=host,
        port=int(os.environ.get("TEST_MINIO_PORT", "9000")),
        access_key=os.environ.get("TEST_MINIO_ROOT_USER", "minioadmin"),
        secret_key=os.environ.get("TEST_MINIO_ROOT_PASSWORD", "minioadmin"),
        secure=os.environ.get("TEST_MINIO_SSL", "false").lower() == "true",
    )


def _kafka() -> KafkaService | None:
    brokers = os.environ.get("TEST_KAFKA_BROKERS")
    return KafkaService(source="environment", brokers=brokers) if brokers else None
