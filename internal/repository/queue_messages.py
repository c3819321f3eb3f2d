"""Statements of the standalone deployment's queue. A message is a row; its consumer holds a lease; acknowledged means deleted.

The clock is the database's. A message whose lease has run out is free: no statement is needed for that.
"""

import time
from collections.abc import Collection
from uuid import UUID

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from internal.domain.message import Channel, Message
from internal.postgres.lower_bound import EVER_SECONDS, LowerBounds
from internal.postgres.pool import Session

NOTIFICATIONS = "queue"
"""Notified with the channel as payload whenever one of its messages becomes free."""

LATE_MESSAGES = 500
"""A message may be committed after so many with higher numbers. The next full scan finds one that is committed later still."""

PUBLISH = """
    -- One statement: the notification leaves with the commit of the row, never before it.
    WITH added AS (
        INSERT INTO queue_messages (channel, type, key, body, headers)
        VALUES (%(channel)s, %(type)s, %(key)s, %(body)s, %(headers)s)
    )
    SELECT pg_notify(%(notifications)s, %(channel)s)
"""

CLAIM = """
    -- Rows that another consumer is claiming are skipped. The order is the index's, so that a claim reads `limit` rows at any
    -- backlog: first messages that were released or whose consumer died, then new ones, oldest first. Each scan begins behind
    -- what an earlier claim has seen. ARRAY makes the planner evaluate the choice once; its rows are locked, so that their ctid
    -- stays. At least one row comes back, which says how far the claim has seen.
    WITH released AS MATERIALIZED (
        SELECT ctid, lease_until FROM queue_messages
         WHERE channel = %(channel)s AND lease_until > '-infinity'
           AND lease_until > now() - %(since)s * interval '1 s' AND lease_until < now()
         ORDER BY lease_until, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ), fresh AS MATERIALIZED (
        SELECT ctid, id FROM queue_messages
         WHERE channel = %(channel)s AND lease_until = '-infinity' AND id > %(after)s
         ORDER BY id LIMIT %(limit)s - (SELECT count(*) FROM released) FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE queue_messages
           SET holder = %(consumer_id)s, lease_until = now() + make_interval(secs => %(lease)s)
         WHERE ctid = ANY (ARRAY (SELECT ctid FROM released UNION ALL SELECT ctid FROM fresh))
        RETURNING id, type, key, body, headers
    )
    SELECT claimed.id, claimed.type, claimed.key, claimed.body, claimed.headers,
           coalesce((SELECT max(id) FROM fresh), 0) AS last_taken,
           coalesce(pg_sequence_last_value(pg_get_serial_sequence('queue_messages', 'id')), 0) AS last_published,
           (SELECT extract(epoch FROM now() - max(lease_until))::float8 FROM released HAVING count(*) = %(limit)s) AS age
      FROM (VALUES (1)) AS always LEFT JOIN claimed ON true
"""

RENEW = """
    -- A consumer that comes too late finds that its messages are another's, and renews nothing.
    UPDATE queue_messages SET lease_until = now() + make_interval(secs => %(lease)s)
     WHERE id = ANY (%(ids)s) AND holder = %(consumer_id)s
    RETURNING id
"""

ACKNOWLEDGE = """
    -- Only its consumer's: a message that another consumer has claimed since is the other's to acknowledge.
    DELETE FROM queue_messages WHERE id = %(id)s AND holder = %(consumer_id)s
"""

RELEASE = """
    -- Free at once, for every consumer, and before new messages. No notification if nothing was released.
    WITH unlocked AS (
        UPDATE queue_messages SET holder = NULL, lease_until = now()
         WHERE id = %(id)s AND holder = %(consumer_id)s
        RETURNING channel
    )
    SELECT pg_notify(%(notifications)s, channel) FROM unlocked
"""

RELEASE_ALL = """
    -- For a consumer that closes: also what a claim took whose result it did not receive.
    WITH unlocked AS (
        UPDATE queue_messages SET holder = NULL, lease_until = now()
         WHERE channel = %(channel)s AND lease_until > '-infinity' AND lease_until >= now() AND holder = %(consumer_id)s
        RETURNING channel
    )
    SELECT pg_notify(%(notifications)s, channel) FROM unlocked GROUP BY channel
"""

PING = "SELECT 1"

COUNT = """
    SELECT count(*) AS messages FROM queue_messages WHERE channel = %(channel)s
"""

POSITIONS = """
    -- All channels share one sequence. All messages of a channel below its lowest number in the table are acknowledged.
    SELECT coalesce((SELECT min(id) FROM queue_messages WHERE channel = %(channel)s), next) AS done, next AS "end"
      FROM (SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence('queue_messages', 'id')), 0) + 1 AS next) AS numbers
"""


class QueueMessages:
    """Runs the statements above. Each raises DatabaseUnavailable if the database can't be reached in time."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._bounds = LowerBounds()
        self._newest = dict.fromkeys(Channel, 0)

    async def publish(self, channel: Channel, message: Message) -> None:
        await self._session.run(
            PUBLISH,
            {
                "channel": str(channel),
                "type": message.type,
                "key": message.key,
                "body": message.body,
                "headers": Jsonb(dict(message.headers)),
                "notifications": NOTIFICATIONS,
            },
        )

    async def claim(self, channel: Channel, *, consumer_id: UUID, limit: int, lease_seconds: float) -> list[DictRow]:
        """Claim up to `limit` free messages for `lease_seconds`; oldest first."""
        bound, began = self._bounds.of(channel), time.monotonic()
        since = bound.seconds()
        passed = 0 if since == EVER_SECONDS else self._newest[channel]
        parameters = {"channel": str(channel), "consumer_id": consumer_id, "limit": limit, "lease": lease_seconds}
        rows = await self._session.rows(CLAIM, {**parameters, "since": since, "after": passed - LATE_MESSAGES})
        bound.passed(began, rows[0]["age"] or 0)
        taken = [row for row in rows if row["id"] is not None]
        self._newest[channel] = rows[0]["last_published"] if len(taken) < limit else max(passed, rows[0]["last_taken"])
        return sorted(taken, key=lambda row: int(row["id"]))

    async def renew(self, ids: Collection[int], *, consumer_id: UUID, lease_seconds: float) -> set[int]:
        """Extend the leases to `lease_seconds` from now. Returns those of `ids` that are still this consumer's."""
        rows = await self._session.rows(RENEW, {"ids": list(ids), "consumer_id": consumer_id, "lease": lease_seconds})
        return {row["id"] for row in rows}

    async def acknowledge(self, id_: int, *, consumer_id: UUID) -> None:
        await self._session.run(ACKNOWLEDGE, {"id": id_, "consumer_id": consumer_id})

    async def release(self, id_: int, *, consumer_id: UUID) -> None:
        await self._session.run(RELEASE, {"id": id_, "consumer_id": consumer_id, "notifications": NOTIFICATIONS})

    async def release_all(self, channel: Channel, *, consumer_id: UUID) -> None:
        await self._session.run(
            RELEASE_ALL, {"channel": str(channel), "consumer_id": consumer_id, "notifications": NOTIFICATIONS}
        )

    async def check(self) -> None:
        await self._session.run(PING)

    async def count(self, channel: Channel) -> int:
        """Number of messages of the channel, claimed ones included."""
        return int((await self._session.rows(COUNT, {"channel": channel}))[0]["messages"])

    async def positions(self, channel: Channel) -> tuple[int, int]:
        """The number below which all messages of the channel are acknowledged, and the number of the next message."""
        [row] = await self._session.rows(POSITIONS, {"channel": channel})
        return row["done"], row["end"]
