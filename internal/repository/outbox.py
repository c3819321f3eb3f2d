"""The outbox: messages that the relay publishes, written in the transaction that they tell of."""

import time
from collections.abc import Sequence

from psycopg.types.json import Jsonb

from internal.domain.message import Channel, Message
from internal.ports.repository.outbox import OutboxMessage
from internal.postgres.lower_bound import LowerBounds
from internal.postgres.pool import Session

ADD_MESSAGE = """
    -- The notification leaves with the commit and wakes the relays.
    WITH added AS (
        INSERT INTO outbox (channel, type, key, body, headers, due_at, created_at)
        VALUES (%(channel)s, %(type)s, %(key)s, %(body)s, %(headers)s,
                now() + %(delay)s * interval '1 s', now() + %(delay)s * interval '1 s')  -- its age counts from when it is due
        RETURNING channel
    )
    SELECT pg_notify('outbox', channel) FROM added
"""

CLAIM_MESSAGES = """
    -- A claim only moves due_at: no lock is held while a message is sent, and the rows of a relay that dies are due again.
    -- `age`: of the youngest claimed row; every older row is claimed too.
    WITH due AS MATERIALIZED (
        SELECT ctid, due_at FROM outbox
         WHERE channel = %(channel)s AND due_at > now() - %(since)s * interval '1 s' AND due_at <= now()
         ORDER BY due_at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    )
    UPDATE outbox SET due_at = now() + %(lease)s * interval '1 s'
     WHERE ctid = ANY (ARRAY (SELECT ctid FROM due))
    RETURNING id, channel, type, key, body, headers, (SELECT extract(epoch FROM now() - max(due_at))::float8 FROM due) AS age
"""

REMOVE_MESSAGES = """
    DELETE FROM outbox WHERE id = ANY(%(ids)s)
"""

POSTPONE_MESSAGES = """
    UPDATE outbox SET due_at = now() + %(seconds)s * interval '1 s' WHERE id = ANY(%(ids)s)
"""


class PostgresOutbox:
    """`exports`: the channels that this deployment publishes; for others no row is written."""

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
        await self._session.run(ADD_MESSAGE, parameters)

    async def claim(self, channel: Channel, *, limit: int, lease_seconds: float) -> list[OutboxMessage]:
        bound, began = self._bounds.of(f"outbox/{channel}"), time.monotonic()
        parameters = {"channel": channel, "limit": limit, "lease": lease_seconds, "since": bound.seconds()}
        rows = await self._session.rows(CLAIM_MESSAGES, parameters)
        bound.passed(began, rows[0]["age"] if len(rows) == limit else 0)
        return [
            OutboxMessage(
                row["id"], Channel(row["channel"]), Message(row["type"], row["key"], bytes(row["body"]), row["headers"])
            )
            for row in rows
        ]

    async def remove(self, ids: Sequence[int]) -> None:
        await self._session.run(REMOVE_MESSAGES, {"ids": list(ids)})

    async def postpone(self, ids: Sequence[int], *, seconds: float) -> None:
        await self._session.run(POSTPONE_MESSAGES, {"ids": list(ids), "seconds": seconds})
