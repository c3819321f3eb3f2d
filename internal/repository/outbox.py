"""The outbox, and the events, which are written together with it."""

import time
from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

from psycopg.types.json import Jsonb

from internal.domain.events import Event, EventType
from internal.domain.message import Channel, Message
from internal.ports.repository.outbox import OutboxMessage
from internal.ports.repository.purged import Purged
from internal.postgres.lower_bound import LowerBounds
from internal.postgres.pool import Session

NIL = UUID(int=0)
"""The lowest id: no event has it."""

ADD_OUTGOING = """
    -- The notification leaves with the commit and wakes the relays.
    WITH added AS (
        INSERT INTO outbox (channel, type, key, body, headers, due_at, created_at)
        VALUES (%(channel)s, %(type)s, %(key)s, %(body)s, %(headers)s,
                now() + %(delay)s * interval '1 s', now() + %(delay)s * interval '1 s')  -- it waits for nobody before that
        RETURNING channel
    )
    SELECT pg_notify('outbox', channel) FROM added
"""

CLAIM_OUTGOING = """
    -- A claim only moves due_at: no lock is held while a message is sent, and a relay that dies gives its rows back. `age`: of
    -- the youngest that was taken, and so everything older is taken.
    WITH due AS MATERIALIZED (
        SELECT ctid, due_at FROM outbox
         WHERE channel = %(channel)s AND due_at > now() - %(since)s * interval '1 s' AND due_at <= now()
         ORDER BY due_at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    )
    UPDATE outbox SET due_at = now() + %(lease)s * interval '1 s'
     WHERE ctid = ANY (ARRAY (SELECT ctid FROM due))
    RETURNING id, channel, type, key, body, headers, (SELECT extract(epoch FROM now() - max(due_at))::float8 FROM due) AS age
"""

DROP_PUBLISHED = """
    DELETE FROM outbox WHERE id = ANY(%(ids)s)
"""

POSTPONE_OUTGOING = """
    UPDATE outbox SET due_at = now() + %(seconds)s * interval '1 s' WHERE id = ANY(%(ids)s)
"""

RECORD_HAPPENED: LiteralString = """
    -- Continues a WITH that has `new_event (id, type, image_id, owner, data)`: the history, and a CloudEvent for who listens.
    recorded AS (
        INSERT INTO events (id, type, image_id, owner, data) SELECT id, type, image_id, owner, data FROM happened
        RETURNING id, type, image_id, data, time
    ), announced AS (
        INSERT INTO outbox (channel, type, key, body, headers)
        SELECT 'events', type, image_id::text, convert_to(jsonb_build_object(
                   'specversion', '1.0', 'id', id, 'source', '/api/v1/images', 'type', type, 'subject', image_id,
                   'time', to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                   'datacontenttype', 'application/json', 'data', data)::text, 'UTF8'),
               '{"content-type": "application/cloudevents+json"}'
          FROM recorded WHERE %(announce)s
        RETURNING id
    )
"""

ADD_EVENTS: LiteralString = (
    """
    WITH happened AS (
        SELECT id, type, image_id, owner, data
          FROM unnest(%(ids)s::uuid[], %(types)s::text[], %(images)s::uuid[], %(owners)s::text[], %(data)s::jsonb[])
            AS given (id, type, image_id, owner, data)
    ),
"""
    + RECORD_HAPPENED
    + """
    SELECT pg_notify('outbox', 'events') FROM announced LIMIT 1
"""
)

EVENTS_OF_IMAGE = """
    SELECT id, type, image_id, owner, data, time FROM events WHERE image_id = %(image_id)s ORDER BY time, id
"""

PURGE_EVENTS = """
    -- The next so many by the primary key, whose ids rise with time, and of these the old ones. Beginning behind the last purge,
    -- so that it never reads again what is removed and not yet vacuumed.
    WITH oldest AS MATERIALIZED (
        SELECT id, time FROM events WHERE id > %(after)s::uuid ORDER BY id LIMIT %(limit)s
    ), removed AS (
        DELETE FROM events WHERE id = ANY (ARRAY (SELECT id FROM oldest WHERE time < now() - %(days)s * interval '1 day'))
        RETURNING id
    )
    SELECT count(*) AS count, (SELECT id FROM removed ORDER BY id DESC LIMIT 1) AS last FROM removed
"""


class PostgresOutbox:
    """`exports`: the channels that lead somewhere in this deployment; for others no row is written."""

    def __init__(self, session: Session, exports: frozenset[Channel], bounds: LowerBounds) -> None:
        self._session = session
        self._exports = exports
        self._bounds = bounds

    async def add(self, channel: Channel, message: Message, *, delay_seconds: float = 0) -> None:
        if channel not in self._exports:
            return
        parameters = {
            "channel": channel,
            "type": message.type,
            "key": message.key,
            "body": message.body,
            "headers": Jsonb(dict(message.headers)),
            "delay": delay_seconds,
        }
        await self._session.run(ADD_OUTGOING, parameters)

    async def claim(self, channel: Channel, *, limit: int, lease_seconds: float) -> list[OutboxMessage]:
        bound, began = self._bounds.of(f"outbox/{channel}"), time.monotonic()
        parameters = {"channel": channel, "limit": limit, "lease": lease_seconds, "since": bound.seconds()}
        rows = await self._session.rows(CLAIM_OUTGOING, parameters)
        bound.passed(began, rows[0]["age"] if len(rows) == limit else 0)
        return [
            OutboxMessage(
                row["id"], Channel(row["channel"]), Message(row["type"], row["key"], bytes(row["body"]), row["headers"])
            )
            for row in rows
        ]

    async def published(self, ids: Sequence[int]) -> None:
        await self._session.run(DROP_PUBLISHED, {"ids": list(ids)})

    async def postpone(self, ids: Sequence[int], *, seconds: float) -> None:
        await self._session.run(POSTPONE_OUTGOING, {"ids": list(ids), "seconds": seconds})


class PostgresEvents:
    def __init__(self, session: Session, exports: frozenset[Channel]) -> None:
        self._session = session
        self._announce = Channel.EVENTS in exports

    async def add(self, *events: Event) -> None:
        parameters = {
            "ids": [event.id for event in events],
            "types": [event.type.value for event in events],
            "images": [event.image_id for event in events],
            "owners": [event.owner for event in events],
            "data": [Jsonb(event.data) for event in events],
            "announce": self._announce,
        }
        await self._session.run(ADD_EVENTS, parameters)

    async def of(self, image_id: UUID) -> list[Event]:
        rows = await self._session.rows(EVENTS_OF_IMAGE, {"image_id": image_id})
        return [Event(**{**row, "type": EventType(row["type"])}) for row in rows]

    async def purge(self, *, older_days: int, after: UUID | None, limit: int) -> Purged[UUID]:
        parameters = {"days": older_days, "after": after or NIL, "limit": limit}
        [row] = await self._session.rows(PURGE_EVENTS, parameters)
        return Purged(row["count"], row["last"])
