"""The queue of the standalone deployment, as SQL. A message is a row; whoever holds it has a lease; done means deleted.

The clock is the database's. A lease that runs out frees its message without anybody's doing.
"""

from collections.abc import Collection
from uuid import UUID

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from internal.queue.port import Channel, Message
from internal.repository.pool import Session

NOTIFICATIONS = "queue"
"""Notified with the channel as payload whenever one of its messages becomes free."""

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
    -- costs a look at `limit` rows: new and released messages first, oldest first, then those whose holder died. ARRAY makes the
    -- planner evaluate the choice once.
    UPDATE queue_messages
       SET holder = %(holder)s, lease_until = now() + make_interval(secs => %(lease)s)
     WHERE id = ANY (ARRAY (
               SELECT id FROM queue_messages
                WHERE channel = %(channel)s AND lease_until < now()
                ORDER BY lease_until, id
                LIMIT %(limit)s
                  FOR UPDATE SKIP LOCKED))
    RETURNING id, type, key, body, headers
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
    -- Free at once, for anybody, and in its old place: ids keep the order. Nobody is woken when nothing was freed.
    WITH freed AS (
        UPDATE queue_messages SET holder = NULL, lease_until = '-infinity'
         WHERE id = %(id)s AND holder = %(holder)s
        RETURNING channel
    )
    SELECT pg_notify(%(notifications)s, channel) FROM freed
"""

FREE_ALL = """
    -- For a holder that goes: also what a claim brought whose answer it did not live to see.
    WITH freed AS (
        UPDATE queue_messages SET holder = NULL, lease_until = '-infinity'
         WHERE channel = %(channel)s AND lease_until >= now() AND holder = %(holder)s
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
        rows = await self._session.rows(
            CLAIM, {"channel": str(channel), "holder": holder, "limit": limit, "lease": lease_seconds}
        )
        return sorted(rows, key=lambda row: int(row["id"]))

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
