"""Events: an image's history in a table, and each as a CloudEvent for who listens."""

from datetime import datetime
from uuid import UUID

import msgspec

from internal.domain.message import Channel
from internal.postgres.pool import Pool
from internal.repository.tables import PostgresRepository
from tests import pictures
from tests.integration.service import Service

WHOLE_LIFE = [
    "image.uploaded",
    "image.processing.started",
    "rendition.completed",
    "image.processing.completed",
    "image.deleted",
]


async def test_every_event_of_a_life_is_announced_as_a_cloud_event(service: Service) -> None:
    """https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md: the required attributes and ours."""
    image_id = await service.upload(pictures.jpeg())
    await service.process(image_id)
    await service.delete(image_id)

    rows = await service.session.rows("SELECT key, type, headers, body FROM outbox WHERE channel = 'events' ORDER BY id")
    documents = [msgspec.json.decode(bytes(row["body"])) for row in rows]

    assert sorted(document["type"] for document in documents) == sorted(WHOLE_LIFE)
    assert len({UUID(document["id"]) for document in documents}) == len(WHOLE_LIFE)
    for row, document in zip(rows, documents, strict=True):
        assert (row["key"], row["type"]) == (str(image_id), document["type"])
        assert row["headers"] == {"content-type": "application/cloudevents+json"}
        assert (document["specversion"], document["source"], document["subject"]) == ("1.0", "/api/v1/images", str(image_id))
        assert document["datacontenttype"] == "application/json"
        assert datetime.fromisoformat(document["time"]).tzinfo is not None
    facts = next(document["data"] for document in documents if document["type"] == "rendition.completed")
    assert (facts["rendition"], facts["attempt"], facts["width"], facts["content_type"]) == ("default", 1, 32, "image/jpeg")


async def test_the_history_outlives_the_image(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())
    await service.process(image_id)
    await service.delete(image_id)

    assert await service.event_types(image_id) == WHOLE_LIFE


async def test_a_failure_is_told_with_its_reason(service: Service) -> None:
    image_id = await service.upload(pictures.cut(pictures.jpeg(200, 200)))
    await service.process(image_id)

    events = {event.type.value: event.data for event in await service.repository.events.of(image_id)}

    assert events["rendition.failed"]["code"] == "invalid_image"
    assert "image.processing.failed" in events


async def test_nothing_is_announced_where_nobody_listens(service: Service, pool: Pool) -> None:
    quiet = PostgresRepository(pool, frozenset({Channel.FAST, Channel.SLOW}))
    ports = msgspec.structs.replace(service.ports, repository=quiet)
    workshop = msgspec.structs.replace(service.workshop, repository=quiet)
    image_id = await Service(ports, workshop, service.session).upload(pictures.jpeg())
    await Service(ports, workshop, service.session).process(image_id)

    channels = await service.session.rows("SELECT DISTINCT channel FROM outbox")
    assert [row["channel"] for row in channels] == ["fast"]
    assert await service.event_types(image_id) == WHOLE_LIFE[:-1]
