"""Events: what happened to an image, and the CloudEvents 1.0 envelope in which it is published.

An event is a row of the image's history and, where events are published, an outbox message. The message's body is the envelope in
structured JSON mode, https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md; its key is the image's
id. Consumers must expect duplicates and no order.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

from internal.domain.ids import new_id

SOURCE = "/api/v1/images"

EVENT_HEADERS = {"content-type": "application/cloudevents+json"}
"""Headers of the message that carries an envelope."""


class EventType(StrEnum):
    IMAGE_PENDING = "image.pending"
    IMAGE_UPLOADED = "image.uploaded"
    IMAGE_UPDATED = "image.updated"
    IMAGE_PROCESSING_STARTED = "image.processing.started"
    IMAGE_PROCESSING_COMPLETED = "image.processing.completed"
    IMAGE_PROCESSING_FAILED = "image.processing.failed"
    RENDITION_COMPLETED = "rendition.completed"
    RENDITION_FAILED = "rendition.failed"
    IMAGE_DELETED = "image.deleted"


class Event(Struct, frozen=True):
    """One thing that happened. `id` is unique for ever. `time` is the database's, set when the row is written."""

    id: UUID
    type: EventType
    image_id: UUID
    owner: str
    data: dict[str, Any]
    time: datetime | None = None


def new_event(kind: EventType, image_id: UUID, owner: str, /, **data: Any) -> Event:
    return Event(id=new_id(), type=kind, image_id=image_id, owner=owner, data=data)


class Envelope(Struct, frozen=True, kw_only=True):
    """The CloudEvents 1.0 attributes of an event. `time` is UTC with microseconds; absent until the database has set it."""

    specversion: Literal["1.0"] = "1.0"
    id: UUID
    source: str = SOURCE
    type: EventType
    subject: UUID
    time: str | UnsetType = UNSET
    datacontenttype: Literal["application/json"] = "application/json"
    data: dict[str, Any]


def envelope(event: Event) -> Envelope:
    """The envelope of `event`. The owner is not part of it: consumers of the topic see every owner's events."""
    time = UNSET if event.time is None else f"{event.time.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    return Envelope(id=event.id, type=event.type, subject=event.image_id, time=time, data=event.data)
