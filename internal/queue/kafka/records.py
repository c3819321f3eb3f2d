"""A message as a Kafka record, and back.

The key is the record's key, the body its value; `type` and the message's headers are record headers in UTF-8, `type` first.
"""

from collections.abc import Sequence

from aiokafka import ConsumerRecord

from internal.domain.message import Message

_TYPE = "type"


def headers_of(message: Message) -> list[tuple[str, bytes]]:
    return [(_TYPE, message.type.encode()), *((name, value.encode()) for name, value in message.headers.items())]


def message_of(record: ConsumerRecord) -> Message:
    """What we make of a record, whoever wrote it; never raises.

    What is missing is empty and what is not UTF-8 is marked: an odd record is refused by its handler, as a dead letter that
    people can look at. Raising here would stop the partition for good.
    """
    type_, headers = _headers(record.headers or ())
    return Message(type=type_, key=_text(record.key), body=record.value or b"", headers=headers)


def _headers(pairs: Sequence[tuple[str, bytes | None]]) -> tuple[str, dict[str, str]]:
    """The first `type` is the type; a message may have a header of that name too, and it comes later."""
    type_: str | None = None
    headers: dict[str, str] = {}
    for name, value in pairs:
        if name == _TYPE and type_ is None:
            type_ = _text(value)
        else:
            headers[name] = _text(value)
    return type_ or "", headers


def _text(value: bytes | None) -> str:
    """What anybody may have written, as text that PostgreSQL can keep: it holds every character but U+0000."""
    return (value or b"").decode("utf-8", errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
