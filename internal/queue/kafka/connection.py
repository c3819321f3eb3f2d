"""Connection arguments of the Kafka clients: addresses, TLS and SASL of producer, consumer and admin."""

import ssl
from typing import Any

from internal.queue.kafka.settings import KafkaSettings

METADATA_SECONDS = 3.0
"""Maximum age of a client's topic metadata. A new partition is consumed once the group's leader has seen it.

The default of aiokafka 0.14.0 is five minutes; with it, a task on a new partition waited 297 s.
"""


def connection(settings: KafkaSettings, *, request_seconds: float) -> dict[str, Any]:
    """Return the arguments that all aiokafka clients share. `request_seconds` bounds one request, including connecting."""
    arguments: dict[str, Any] = {
        "bootstrap_servers": [broker.strip() for broker in settings.brokers.split(",") if broker.strip()],
        "client_id": "image-processor",
        "request_timeout_ms": int(request_seconds * 1000),
        "metadata_max_age_ms": int(METADATA_SECONDS * 1000),
        "security_protocol": settings.security_protocol,
    }
    if settings.security_protocol in ("SSL", "SASL_SSL"):
        arguments["ssl_context"] = ssl.create_default_context(cafile=settings.ssl_cafile or None)
    if settings.security_protocol.startswith("SASL_"):
        arguments["sasl_mechanism"] = settings.sasl_mechanism
        arguments["sasl_plain_username"] = settings.sasl_username
        arguments["sasl_plain_password"] = settings.sasl_password.reveal()
    return arguments
