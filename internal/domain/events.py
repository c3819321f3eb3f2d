"""What happened to an image, as CloudEvents 1.0: kept in a table as its history, and published through the outbox.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md — structured JSON mode. The image's id is the message key;
consumers must expect duplicates and no order.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from msgspec import Struct

from internal.domain.ids import new_id


class EventType(StrEnum):
    IMAGE_UPLOADED = "image.uploaded"
    IMAGE_PROCESSING_STARTED = "image.processing.started"
    IMAGE_PROCESSING_COMPLETED = "image.processing.completed"
    IMAGE_PROCESSING_FAILED = "image.processing.failed"
    RENDITION_COMPLETED = "rendition.completed"
    RENDITION_FAILED = "rendition.failed"
    IMAGE_DELETED = "image.deleted"


class Event(Struct, frozen=True):
    """One thing that happened. `id` is unique for ever; `time` is the database's, set when the row is written."""

    id: UUID
    type: EventType
    image_id: UUID
    owner: str
    data: dict[str, Any]
    time: datetime | None = None


def new_event(kind: EventType, image_id: UUID, owner: str, **data: Any) -> Event:
    return Event(id=new_id(), type=kind, image_id=image_id, owner=owner, data=data)
