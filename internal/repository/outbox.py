"""The outbox, and what is written together with it: events and dead letters."""

from collections.abc import Sequence
from uuid import UUID

from psycopg.types.json import Jsonb

from internal.images.events import CONTENT_TYPE, Event, EventType, cloud_event
from internal.images.model import DeadLetter
from internal.queue.port import Channel, Message
from internal.repository.pool import Session
from internal.repository.port import Outgoing

ADD_OUTGOING = """
    -- The notification leaves with the commit and wakes the relays.
    WITH added AS (
        INSERT INTO outbox (channel, type, key, body, headers, due_at)
        VALUES (%(channel)s, %(type)s, %(key)s, %(body)s, %(headers)s, now() + %(delay)s * interval '1 s')
        RETURNING id
    )
    SELECT pg_notify('outbox', '') FROM added
"""

CLAIM_OUTGOING = """
    -- A claim only moves due_at: no lock is held while a message is sent, and a relay that dies gives its rows back.
    UPDATE outbox SET due_at = now() + %(lease)s * interval '1 s'
     WHERE id IN (SELECT id FROM outbox WHERE due_at <= now() ORDER BY due_at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
    RETURNING id, channel, type, key, body, headers
"""

DROP_PUBLISHED = """
    DELETE FROM outbox WHERE id = ANY(%(ids)s)
"""

POSTPONE_OUTGOING = """
    UPDATE outbox SET due_at = now() + %(seconds)s * interval '1 s' WHERE id = ANY(%(ids)s)
"""

COUNT_OUTGOING = """
    SELECT count(*) AS depth FROM outbox
"""

ADD_EVENT = """
    INSERT INTO events (id, type, image_id, owner, data) VALUES (%(id)s, %(type)s, %(image_id)s, %(owner)s, %(data)s)
    RETURNING time
"""

EVENTS_OF_IMAGE = """
    SELECT id, type, image_id, owner, data, time FROM events WHERE image_id = %(image_id)s ORDER BY time, id
"""

ADD_DEAD_LETTER = """
    INSERT INTO dead_letters (image_id, rendition, code, detail, source, attempts, headers, body)
    VALUES (%(image_id)s, %(rendition)s, %(code)s, %(detail)s, %(source)s, %(attempts)s, %(headers)s, %(body)s)
"""

DEAD_LETTERS_OF_IMAGE = """
    SELECT code, detail, source, attempts, image_id, rendition, headers, body
      FROM dead_letters WHERE image_id = %(image_id)s ORDER BY id
"""


class PostgresOutbox:
    """`exports`: the channels that lead somewhere in this deployment; for others no row is written."""

    def __init__(self, session: Session, exports: frozenset[Channel]) -> None:
        self._session = session
        self._exports = exports

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
        await self._session.rows(ADD_OUTGOING, parameters)

    async def claim(self, *, limit: int, lease_seconds: float) -> list[Outgoing]:
        rows = await self._session.rows(CLAIM_OUTGOING, {"limit": limit, "lease": lease_seconds})
        return [
            Outgoing(row["id"], Channel(row["channel"]), Message(row["type"], row["key"], bytes(row["body"]), row["headers"]))
            for row in rows
        ]

    async def published(self, ids: Sequence[int]) -> None:
        await self._session.rows(DROP_PUBLISHED, {"ids": list(ids)})

    async def postpone(self, ids: Sequence[int], *, seconds: float) -> None:
        await self._session.rows(POSTPONE_OUTGOING, {"ids": list(ids), "seconds": seconds})

    async def depth(self) -> int:
        depth: int = (await self._session.rows(COUNT_OUTGOING))[0]["depth"]
        return depth


class PostgresEvents:
    def __init__(self, session: Session, outbox: PostgresOutbox) -> None:
        self._session = session
        self._outbox = outbox

    async def add(self, event: Event) -> None:
        parameters = {
            "id": event.id,
            "type": event.type,
            "image_id": event.image_id,
            "owner": event.owner,
            "data": Jsonb(event.data),
        }
        rows = await self._session.rows(ADD_EVENT, parameters)
        document = cloud_event(event, rows[0]["time"])
        message = Message(event.type, str(event.image_id), document, {"content-type": CONTENT_TYPE})
        await self._outbox.add(Channel.EVENTS, message)

    async def of(self, image_id: UUID) -> list[Event]:
        rows = await self._session.rows(EVENTS_OF_IMAGE, {"image_id": image_id})
        return [Event(**{**row, "type": EventType(row["type"])}) for row in rows]


class PostgresDeadLetters:
    def __init__(self, session: Session, outbox: PostgresOutbox) -> None:
        self._session = session
        self._outbox = outbox

    async def add(self, letter: DeadLetter) -> None:
        parameters = {
            "image_id": letter.image_id,
            "rendition": letter.rendition,
            "code": letter.code,
            "detail": letter.detail,
            "source": letter.source,
            "attempts": letter.attempts,
            "headers": Jsonb(letter.headers),
            "body": letter.body,
        }
        await self._session.rows(ADD_DEAD_LETTER, parameters)
        headers = {
            **letter.headers,
            "dead-letter-source": letter.source,
            "dead-letter-code": letter.code,
            "dead-letter-detail": letter.detail,
            "dead-letter-attempts": str(letter.attempts),
        }
        key = str(letter.image_id) if letter.image_id else letter.source
        await self._outbox.add(Channel.DEAD_LETTERS, Message("dead_letter", key, letter.body, headers))

    async def of(self, image_id: UUID) -> list[DeadLetter]:
        rows = await self._session.rows(DEAD_LETTERS_OF_IMAGE, {"image_id": image_id})
        return [DeadLetter(**{**row, "body": bytes(row["body"])}) for row in rows]
