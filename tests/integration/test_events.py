"""Events: an image's history in a table, and each as a CloudEvent for who listens."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from internal.domain.events import Event, EventType, envelope, new_event
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

IN_OUTBOX = "SELECT key, type, headers, body FROM outbox WHERE channel = 'events' ORDER BY id"

AS_PUBLISHED_BEFORE = """
    -- The body as release 91ad2de built it, in SQL, from the row of the history: its relays and its consumers know these bytes.
    SELECT convert_to(jsonb_build_object(
               'specversion', '1.0', 'id', id, 'source', '/api/v1/images', 'type', type, 'subject', image_id,
               'time', to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
               'datacontenttype', 'application/json', 'data', data)::text, 'UTF8') AS body
      FROM events ORDER BY id
"""

UNUSUAL: dict[str, Any] = {
    "détail": 'A "quoted" \\ name, a tab\t, a bell\x07 and \N{LINE SEPARATOR} \N{GRINNING FACE}',
    "sizes": [0, -1, 2**63, 0.1, 1e300, True, None],
    "longer": {"b": 1, "a": {}, "aa": []},
}


async def test_every_event_of_an_image_is_published_as_a_cloud_event(service: Service) -> None:
    """https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md: the required attributes and ours."""
    image_id = await service.upload(pictures.jpeg())
    await service.process(image_id)
    await service.delete(image_id)

    rows = await service.session.rows(IN_OUTBOX)
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


async def test_a_message_in_the_outbox_is_byte_for_byte_what_it_was(service: Service) -> None:
    """The attributes, their order, the spaces and the form of the time."""
    image_id, event_id = UUID("0190a1b2-c3d4-7e5f-8a6b-1c2d3e4f5a6b"), UUID("0190a1b2-0000-7000-8000-000000000001")
    data = {"rendition": "default", "attempt": 2, "width": 300}
    await service.repository.events.add(Event(event_id, EventType.RENDITION_COMPLETED, image_id, "anonymous", data))

    [row] = await service.session.rows(IN_OUTBOX)
    [kept] = await service.session.rows("SELECT *, time AT TIME ZONE 'UTC' AS utc FROM events")

    assert bytes(row["body"]).decode() == (
        '{"id": "0190a1b2-0000-7000-8000-000000000001", "data": {"width": 300, "attempt": 2, "rendition": "default"}, '
        f'"time": "{kept["utc"].isoformat(timespec="microseconds")}Z", "type": "rendition.completed", '
        '"source": "/api/v1/images", "subject": "0190a1b2-c3d4-7e5f-8a6b-1c2d3e4f5a6b", "specversion": "1.0", '
        '"datacontenttype": "application/json"}'
    )
    assert (row["type"], row["key"]) == ("rendition.completed", str(image_id))
    assert row["headers"] == {"content-type": "application/cloudevents+json"}
    assert (kept["id"], kept["type"], kept["image_id"], kept["owner"]) == (event_id, row["type"], image_id, "anonymous")
    assert kept["data"] == data


async def test_every_message_is_what_the_first_release_s_sql_made_of_the_history(service: Service) -> None:
    """So that relays and consumers of both can run side by side, and `GET` of the history can show the same documents."""
    for picture in (pictures.jpeg(), pictures.cut(pictures.jpeg(200, 200))):
        image_id = await service.upload(picture)
        await service.process(image_id)
    await service.repository.events.add(new_event(EventType.IMAGE_DELETED, image_id, "anonymous", **UNUSUAL))

    bodies = [bytes(row["body"]) for row in await service.session.rows(IN_OUTBOX)]
    before = [bytes(row["body"]) for row in await service.session.rows(AS_PUBLISHED_BEFORE)]
    history = [envelope(event) for event in await service.repository.events.of(image_id)]

    assert sorted(bodies) == sorted(before)
    later = {EventType.IMAGE_PENDING, EventType.IMAGE_UPDATED}  # the first release had none
    assert {msgspec.json.decode(body)["type"] for body in bodies} == set(EventType) - later
    assert all(msgspec.to_builtins(kept) in map(msgspec.json.decode, bodies) for kept in history)


async def test_the_history_outlives_the_image(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())
    await service.process(image_id)
    await service.delete(image_id)

    assert await service.event_types(image_id) == WHOLE_LIFE


async def test_a_failure_event_has_its_reason(service: Service) -> None:
    image_id = await service.upload(pictures.cut(pictures.jpeg(200, 200)))
    await service.process(image_id)

    events = {event.type.value: event.data for event in await service.repository.events.of(image_id)}

    assert events["rendition.failed"]["code"] == "invalid_image"
    assert "image.processing.failed" in events


async def test_without_an_events_topic_nothing_is_published(service: Service, pool: Pool) -> None:
    quiet = PostgresRepository(pool, frozenset({Channel.FAST, Channel.SLOW}))
    ports = msgspec.structs.replace(service.door, repository=quiet)
    worker = msgspec.structs.replace(service.worker, repository=quiet)
    image_id = await Service(ports, worker, service.session).upload(pictures.jpeg())
    await Service(ports, worker, service.session).process(image_id)

    channels = await service.session.rows("SELECT DISTINCT channel FROM outbox")
    assert [row["channel"] for row in channels] == ["fast"]
    assert await service.event_types(image_id) == WHOLE_LIFE[:-1]
