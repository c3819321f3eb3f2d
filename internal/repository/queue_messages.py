"""The queue of the standalone deployment, as SQL. A message is a row; whoever holds it has a lease; done means deleted.

The clock is the database's. A lease that runs out frees its message without anybody's doing.
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
"""A message may come to be seen later than so many with a higher number; the next whole look finds what comes later still."""

PUBLISH = """
    -- One statement: the notification leaves with the commit of the row, never before it.
    WITH added AS (
        INSERT INTO queue_messages (channel, type, key, body, headers)
        VALUES (%(channel)s, %(type)s, %(key)s, %(body)s, %(headers)s)
    )
    SELECT pg_notify(%(notifications)s, %(channel)s)
"""

CLAIM = """
    -- Rows that another is claiming right now are skipped, not waited for. Ordered as the index is, so that a backlog of any size
    -- costs a look at `limit` rows: messages that were released or whose holder died first, then new ones, oldest first. Each
    -- begins behind what an earlier claim has passed. ARRAY makes the planner evaluate the choice once; its rows are locked, so
    -- that they stay where they are (ctid). One row at least, which says what the claim has passed.
    WITH given_back AS MATERIALIZED (
        SELECT ctid, lease_until FROM queue_messages
         WHERE channel = %(channel)s AND lease_until > '-infinity'
           AND lease_until > now() - %(since)s * interval '1 s' AND lease_until < now()
         ORDER BY lease_until, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ), fresh AS MATERIALIZED (
        SELECT ctid, id FROM queue_messages
         WHERE channel = %(channel)s AND lease_until = '-infinity' AND id > %(after)s
         ORDER BY id LIMIT %(limit)s - (SELECT count(*) FROM given_back) FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE queue_messages
           SET holder = %(holder)s, lease_until = now() + make_interval(secs => %(lease)s)
         WHERE ctid = ANY (ARRAY (SELECT ctid FROM given_back UNION ALL SELECT ctid FROM fresh))
        RETURNING id, type, key, body, headers
    )
    SELECT claimed.id, claimed.type, claimed.key, claimed.body, claimed.headers,
           coalesce((SELECT max(id) FROM fresh), 0) AS last_taken,
           coalesce(pg_sequence_last_value(pg_get_serial_sequence('queue_messages', 'id')), 0) AS last_published,
           (SELECT extract(epoch FROM now() - max(lease_until))::float8 FROM given_back HAVING count(*) = %(limit)s) AS age
      FROM (VALUES (1)) AS always LEFT JOIN claimed ON true
"""

RENEW = """
    -- A holder that comes too late finds its messages in other hands, and nothing to renew.
    UPDATE queue_messages SET lease_until = now() + make_interval(secs => %(lease)s)
     WHERE id = ANY (%(ids)s) AND holder = %(holder)s
    RETURNING id
"""

FINISH = """
    -- Only the holder's: a message that went to another after the lease is the other's to finish.
    DELETE FROM queue_messages WHERE id = %(id)s AND holder = %(holder)s
"""

FREE = """
    -- Free at once, for anybody, and before all that is new. Nobody is woken when nothing was freed.
    WITH freed AS (
        UPDATE queue_messages SET holder = NULL, lease_until = now()
         WHERE id = %(id)s AND holder = %(holder)s
        RETURNING channel
    )
    SELECT pg_notify(%(notifications)s, channel) FROM freed
"""

FREE_ALL = """
    -- For a holder that goes: also what a claim brought whose answer it did not live to see.
    WITH freed AS (
        UPDATE queue_messages SET holder = NULL, lease_until = now()
         WHERE channel = %(channel)s AND lease_until > '-infinity' AND lease_until >= now() AND holder = %(holder)s
        RETURNING channel
    )
    SELECT pg_notify(%(notifications)s, channel) FROM freed GROUP BY channel
"""

ANSWER = "SELECT 1"

COUNT = """
    SELECT count(*) AS messages FROM queue_messages WHERE channel = %(channel)s
"""

POSITIONS = """
    -- All channels share one row of numbers; below the channel's lowest number that is there, all its messages are done.
    SELECT coalesce((SELECT min(id) FROM queue_messages WHERE channel = %(channel)s), next) AS done, next AS "end"
      FROM (SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence('queue_messages', 'id')), 0) + 1 AS next) AS numbers
"""


class QueueMessages:
    """The statements above. Each raises DatabaseUnavailable when the database can't be reached in time."""

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

    async def claim(self, channel: Channel, *, holder: UUID, limit: int, lease_seconds: float) -> list[DictRow]:
        """Up to `limit` free messages, now `holder`'s for `lease_seconds`; oldest first."""
        bound, began = self._bounds.of(channel), time.monotonic()
        since = bound.seconds()
        passed = 0 if since == EVER_SECONDS else self._newest[channel]
        parameters = {"channel": str(channel), "holder": holder, "limit": limit, "lease": lease_seconds}
        rows = await self._session.rows(CLAIM, {**parameters, "since": since, "after": passed - LATE_MESSAGES})
        bound.passed(began, rows[0]["age"] or 0)
        taken = [row for row in rows if row["id"] is not None]
        self._newest[channel] = rows[0]["last_published"] if len(taken) < limit else max(passed, rows[0]["last_taken"])
        return sorted(taken, key=lambda row: int(row["id"]))

    async def renew(self, ids: Collection[int], *, holder: UUID, lease_seconds: float) -> set[int]:
        """Those of `ids` that are still `holder`'s, for `lease_seconds` from now."""
        rows = await self._session.rows(RENEW, {"ids": list(ids), "holder": holder, "lease": lease_seconds})
        return {row["id"] for row in rows}

    async def finish(self, id_: int, *, holder: UUID) -> None:
        await self._session.run(FINISH, {"id": id_, "holder": holder})

    async def free(self, id_: int, *, holder: UUID) -> None:
        await self._session.run(FREE, {"id": id_, "holder": holder, "notifications": NOTIFICATIONS})

    async def free_all(self, channel: Channel, *, holder: UUID) -> None:
        await self._session.run(FREE_ALL, {"channel": str(channel), "holder": holder, "notifications": NOTIFICATIONS})

    async def check(self) -> None:
        await self._session.run(ANSWER)

    async def count(self, channel: Channel) -> int:
        """Messages of the channel, those in hand included."""
        return int((await self._session.rows(COUNT, {"channel": channel}))[0]["messages"])

    async def positions(self, channel: Channel) -> tuple[int, int]:
        """The number below which all messages of the channel are done, and the number that the next message gets."""
        [row] = await self._session.rows(POSITIONS, {"channel": channel})
        return row["done"], row["end"]
