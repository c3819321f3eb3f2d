"""Mappings that need no broker: messages to records, settings to arguments, channels to topics."""

import ssl
from pathlib import Path
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from msgspec.structs import replace

from internal.domain.message import Channel, Message
from internal.queue.kafka.connection import connection
from internal.queue.kafka.records import headers_of, message_of
from internal.queue.kafka.topics import topics
from internal.runtime.secret import Secret
from internal.settings.loader import load_settings

KAFKA = load_settings({}).kafka


def record(**fields: Any) -> ConsumerRecord:
    plain: dict[str, Any] = {"key": b"k", "value": b"v", "headers": ()}
    return ConsumerRecord(
        topic="t", partition=0, offset=0, timestamp=0, timestamp_type=0, checksum=None, serialized_key_size=0,
        serialized_value_size=0, **(plain | fields),
    )  # fmt: skip


def test_type_and_headers_survive_the_way_also_a_header_named_type() -> None:
    sent = Message("image.process", "k", b"v", {"type": "another", "ä": "ö"})
    assert message_of(record(headers=headers_of(sent))) == sent


@pytest.mark.parametrize(
    ("odd", "made"),
    [
        ({"value": None}, Message("", "k", b"")),
        ({"key": None}, Message("", "", b"v")),
        ({"key": b"\xff"}, Message("", "\N{REPLACEMENT CHARACTER}", b"v")),
        (
            {"headers": [("type", None), ("x", b"\xff"), ("y", None)]},
            Message("", "k", b"v", {"x": "\N{REPLACEMENT CHARACTER}", "y": ""}),
        ),
        ({"headers": None}, Message("", "k", b"v")),
    ],
)
def test_an_odd_record_is_a_message_all_the_same(odd: dict[str, Any], made: Message) -> None:
    assert message_of(record(**odd)) == made


def test_a_plain_connection_carries_no_secrets() -> None:
    arguments = connection(replace(KAFKA, brokers="one:1, two:2,"), request_seconds=2.5)
    assert arguments["bootstrap_servers"] == ["one:1", "two:2"]
    assert arguments["request_timeout_ms"] == 2500
    assert not {name for name in arguments if name.startswith(("sasl", "ssl"))}


def test_sasl_over_tls_verifies_the_broker() -> None:
    account = {"sasl_username": "worker", "sasl_password": Secret("secret")}
    secure = replace(KAFKA, security_protocol="SASL_SSL", sasl_mechanism="SCRAM-SHA-512", **account)
    arguments = connection(secure, request_seconds=1)
    assert arguments["sasl_mechanism"] == "SCRAM-SHA-512"
    assert (arguments["sasl_plain_username"], arguments["sasl_plain_password"]) == ("worker", "secret")
    assert arguments["ssl_context"].verify_mode == ssl.CERT_REQUIRED
    assert arguments["ssl_context"].check_hostname


def test_a_missing_authority_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        connection(replace(KAFKA, security_protocol="SSL", ssl_cafile=str(tmp_path / "missing.pem")), request_seconds=1)


def test_a_channel_without_a_topic_is_not_there() -> None:
    assert topics(replace(KAFKA, events_topic="")) == {
        Channel.FAST: KAFKA.topic,
        Channel.SLOW: KAFKA.slow_topic,
        Channel.DEAD_LETTERS: KAFKA.dlq_topic,
    }
