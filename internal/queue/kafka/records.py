"""Conversion between messages and Kafka records.

The message's key is the record's key, and its body the record's value. `type` and the message's headers are record headers in
UTF-8, `type` first.
"""

from collections.abc import Sequence

from aiokafka import ConsumerRecord

from internal.domain.message import Message

_TYPE = "type"


def headers_of(message: Message) -> list[tuple[str, bytes]]:
    return [(_TYPE, message.type.encode()), *((name, value.encode()) for name, value in message.headers.items())]


def message_of(record: ConsumerRecord) -> Message:
    """Return a record as a message. Never raises, whoever wrote the record.

    Missing parts are empty, and bytes that are not UTF-8 become U+FFFD. The handler then refuses the message, which becomes a
    dead letter. An error here would block the partition permanently.
    """
    type_, headers = _headers(record.headers or ())
    return Message(type=type_, key=_text(record.key), body=record.value or b"", headers=headers)


def _headers(pairs: Sequence[tuple[str, bytes | None]]) -> tuple[str, dict[str, str]]:
    """Split the record's headers into type and headers. The first `type` is the type; a later one is a header of the message."""
    type_: str | None = None
    headers: dict[str, str] = {}
    for name, value in pairs:
        if name == _TYPE and type_ is None:
            type_ = _text(value)
        else:
            headers[name] = _text(value)
    return type_ or "", headers


def _text(value: bytes | None) -> str:
    """Decode foreign bytes as text that PostgreSQL can store: any character except U+0000."""
    return (value or b"").decode("utf-8", errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
