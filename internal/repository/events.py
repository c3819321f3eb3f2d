"""Events: an image's history, and one outbox message for each event where events are published."""

from collections.abc import Sequence
from typing import Any, LiteralString
from uuid import UUID

import msgspec
from psycopg.types.json import Jsonb

from internal.domain.events import EVENT_HEADERS, Event, EventType, envelope
from internal.domain.message import Channel
from internal.ports.repository.purge_result import PurgeResult
from internal.postgres.pool import Session

NIL = UUID(int=0)
"""The lowest id: no event has it."""

RECORD_EVENTS: LiteralString = """
    -- Continues a WITH that has `new_event (envelope, owner)`. Python made the envelope; only its time is set here, because time
    -- is the database's clock. jsonb orders the attributes, so that consumers see the same bytes whichever code wrote them.
    recorded AS (
        INSERT INTO events (id, type, image_id, owner, data, time)
        SELECT (envelope ->> 'id')::uuid, envelope ->> 'type', (envelope ->> 'subject')::uuid, owner, envelope -> 'data', now()
          FROM new_event
    ), announced AS (
        INSERT INTO outbox (channel, type, key, body, headers)
        SELECT 'events', envelope ->> 'type', envelope ->> 'subject',
               convert_to((envelope || jsonb_build_object(
                   'time', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')))::text, 'UTF8'),
               %(event_headers)s::jsonb
          FROM new_event WHERE %(announce)s
        RETURNING id
    )
"""

ADD_EVENTS: LiteralString = (
    """
    WITH new_event AS (
        SELECT envelope, owner FROM unnest(%(envelopes)s::jsonb[], %(owners)s::text[]) AS given (envelope, owner)
    ),
"""
    + RECORD_EVENTS
    + """
    SELECT pg_notify('outbox', 'events') FROM announced LIMIT 1
"""
)

EVENTS_OF_IMAGE = """
    SELECT id, type, image_id, owner, data, time FROM events WHERE image_id = %(image_id)s ORDER BY time, id
"""

PURGE_EVENTS = """
    -- Takes the next rows by the primary key, whose ids rise with time, and removes those that are old. It begins behind the last
    -- purge, so that it does not read again what is removed and not yet vacuumed.
    WITH oldest AS MATERIALIZED (
        SELECT id, time FROM events WHERE id > %(after)s::uuid ORDER BY id LIMIT %(limit)s
    ), removed AS (
        DELETE FROM events WHERE id = ANY (ARRAY (SELECT id FROM oldest WHERE time < now() - %(days)s * interval '1 day'))
        RETURNING id
    )
    SELECT count(*) AS count, (SELECT id FROM removed ORDER BY id DESC LIMIT 1) AS last FROM removed
"""


def event_parameters(*, announce: bool, **events: Event | Sequence[Event]) -> dict[str, Any]:
    """The parameters of a statement with RECORD_EVENTS: each event's envelope under its name, and what the fragment needs."""
    return {
        "announce": announce,
        "event_headers": Jsonb(EVENT_HEADERS),
        **{name: _envelopes(given) for name, given in events.items()},
    }


def _envelopes(given: Event | Sequence[Event]) -> Jsonb | list[Jsonb]:
    if isinstance(given, Event):
        return Jsonb(envelope(given), msgspec.json.encode)
    return [Jsonb(envelope(event), msgspec.json.encode) for event in given]


class PostgresEvents:
    """`exports`: the channels that lead somewhere in this deployment; without EVENTS only the history is written."""

    def __init__(self, session: Session, exports: frozenset[Channel]) -> None:
        self._session = session
        self._announce = Channel.EVENTS in exports

    async def add(self, *events: Event) -> None:
        parameters = event_parameters(announce=self._announce, envelopes=events)
        await self._session.run(ADD_EVENTS, {**parameters, "owners": [event.owner for event in events]})

    async def of(self, image_id: UUID) -> list[Event]:
        rows = await self._session.rows(EVENTS_OF_IMAGE, {"image_id": image_id})
        return [Event(**{**row, "type": EventType(row["type"])}) for row in rows]

    async def purge(self, *, older_days: int, after: UUID | None, limit: int) -> PurgeResult[UUID]:
        parameters = {"days": older_days, "after": after or NIL, "limit": limit}
        [row] = await self._session.rows(PURGE_EVENTS, parameters)
        return PurgeResult(row["count"], row["last"])
