"""Whether a service answers yet, and a port for one that is about to start."""

import os
import secrets
import socket
from contextlib import suppress
from http.client import HTTPConnection, HTTPException

import psycopg
import urllib3
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from minio.error import MinioException

from tests.services.kinds import KafkaService, PostgresService, S3Service

FIXED_PORTS = range(12_000, 32_000)
"""Below those that systems give to connections that go out: one of these could have the port before its server does."""


_given: set[int] = set()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, never the same twice. Each process of a run chooses from its own share:
    it may be seconds until somebody listens. Another run beside this one will hardly choose the same.
    """
    shares = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    share = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        port = secrets.choice(FIXED_PORTS[share % shares :: shares])
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                return port


def http_answers(port: int, path: str) -> bool:
    """Whether a web server on 127.0.0.1 answers `path` with anything but a fault of its own."""
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < 500
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def s3_answers(service: S3Service) -> bool:
    """Whether it does what it is asked: MinIO is live for some seconds before it can list a bucket."""
    try:
        service.client().list_buckets()
    except (MinioException, urllib3.exceptions.HTTPError):
        return False
    return True


def postgres_answers(service: PostgresService) -> bool:
    try:
        psycopg.connect(service.conninfo, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def kafka_answers(service: KafkaService) -> bool:
    try:
        AdminClient({"bootstrap.servers": service.brokers, "log_level": 0}).list_topics(timeout=2)
    except KafkaException:
        return False
    return True
