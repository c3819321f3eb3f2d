"""The CloudEvents envelope: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import msgspec
import pytest

from internal.domain.events import Event, EventType, envelope

IMAGE = UUID("0190a1b2-c3d4-7e5f-8a6b-1c2d3e4f5a6b")
FAILED = Event(
    id=UUID("0190a1b2-0000-7000-8000-000000000001"),
    type=EventType.RENDITION_FAILED,
    image_id=IMAGE,
    owner="anonymous",
    data={"rendition": "default", "code": "invalid_image"},
)


def test_it_has_every_attribute_but_the_time_which_is_the_databases() -> None:
    assert msgspec.to_builtins(envelope(FAILED)) == {
        "specversion": "1.0",
        "id": "0190a1b2-0000-7000-8000-000000000001",
        "source": "/api/v1/images",
        "type": "rendition.failed",
        "subject": "0190a1b2-c3d4-7e5f-8a6b-1c2d3e4f5a6b",
        "datacontenttype": "application/json",
        "data": {"rendition": "default", "code": "invalid_image"},
    }


@pytest.mark.parametrize(
    ("time", "written"),
    [
        (datetime(2026, 11, 30, 14, 28, 5, 120, tzinfo=UTC), "2026-11-30T14:28:05.000120Z"),
        (datetime(2026, 11, 30, 14, 28, 5, tzinfo=UTC), "2026-11-30T14:28:05.000000Z"),
        (datetime(2026, 11, 30, 15, 28, 5, tzinfo=timezone(timedelta(hours=1))), "2026-11-30T14:28:05.000000Z"),
    ],
)
def test_a_known_time_is_written_in_utc_with_microseconds(time: datetime, written: str) -> None:
    document: dict[str, Any] = msgspec.to_builtins(envelope(msgspec.structs.replace(FAILED, time=time)))

    assert document["time"] == written
