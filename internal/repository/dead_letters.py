"""Dead letters: written when a task has failed for good, read, replayed and dropped by operators."""

import hashlib
from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

import msgspec
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from internal.domain.dead_letter import DeadLetter
from internal.domain.message import Channel
from internal.domain.status import Status
from internal.ports.repository.dead_letters import DeadLetterEntry
from internal.ports.repository.purge_result import PurgeResult
from internal.postgres.pool import Session

ADD_DEAD_LETTER = """
    -- The dead letter and the message that exports it, or neither. If the insert waits here for another's commit, then both are
    -- of the same message.
    WITH added AS (
        INSERT INTO dead_letters (image_id, rendition, code, detail, source, attempts, headers, body, channel, type, key,
                                  fingerprint)
        VALUES (%(image_id)s, %(rendition)s, %(code)s, %(detail)s, %(source)s, %(attempts)s, %(headers)s, %(body)s,
                %(channel)s, %(type)s, %(key)s, %(fingerprint)s)
        ON CONFLICT (fingerprint) DO NOTHING
        RETURNING image_id, code, detail, source, attempts, headers, body
    ), exported AS (
        INSERT INTO outbox (channel, type, key, body, headers)
        SELECT 'dead_letters', 'dead_letter', coalesce(image_id::text, source), substr(body, 1, %(limit)s),
               headers || jsonb_build_object('dead-letter-source', source, 'dead-letter-code', code, 'dead-letter-detail', detail,
                                             'dead-letter-attempts', attempts::text)
                       || CASE WHEN length(body) > %(limit)s THEN jsonb_build_object('dead-letter-size', length(body)::text)
                               ELSE '{}' END
          FROM added WHERE %(announce)s
        RETURNING channel
    )
    SELECT pg_notify('outbox', channel) FROM exported
"""

DEAD_LETTERS_OF_IMAGE = """
    SELECT code, detail, source, attempts, image_id, rendition, headers, body, channel, type, key
      FROM dead_letters WHERE image_id = %(image_id)s ORDER BY id
"""

DEAD_LETTER_ENTRIES: LiteralString = """
    -- With the rendition's status now: NULL if the image is gone.
    SELECT d.id, d.created_at, d.code, d.detail, d.source, d.attempts, d.image_id, d.rendition, d.headers, d.body,
           d.channel, d.type, d.key, r.status AS rendition_status
      FROM dead_letters d LEFT JOIN renditions r ON r.image_id = d.image_id AND r.name = d.rendition
"""

FIND_DEAD_LETTER: LiteralString = (
    DEAD_LETTER_ENTRIES
    + """
     WHERE d.id = %(id)s
"""
)

PAGE_OF_DEAD_LETTERS: LiteralString = (
    DEAD_LETTER_ENTRIES
    + """
     WHERE (%(before)s::bigint IS NULL OR d.id < %(before)s) AND (%(code)s::text IS NULL OR d.code = %(code)s)
     ORDER BY d.id DESC LIMIT %(limit)s
"""
)

REMOVE_DEAD_LETTERS = """
    DELETE FROM dead_letters WHERE id = ANY(%(ids)s) RETURNING id
"""

REMOVE_DEAD_LETTERS_OF_RENDITION = """
    -- All of them: the rendition is tried again, and writes a new one if it fails again.
    DELETE FROM dead_letters WHERE image_id = %(image_id)s AND rendition = %(rendition)s
"""

PURGE_DEAD_LETTERS = """
    -- As PURGE_EVENTS: by the primary key, beginning behind the last purge.
    WITH oldest AS MATERIALIZED (
        SELECT id, created_at FROM dead_letters WHERE id > %(after)s ORDER BY id LIMIT %(limit)s
    ), removed AS (
        DELETE FROM dead_letters
         WHERE id = ANY (ARRAY (SELECT id FROM oldest WHERE created_at < now() - %(days)s * interval '1 day'))
        RETURNING id
    )
    SELECT count(*) AS count, max(id) AS last FROM removed
"""

FIELDS = DeadLetter.__struct_fields__

EXPORTED_BYTES = 2**19
"""Limit of an exported body, which is cut: a message that just fitted into the queue would not fit with the added headers."""


class PostgresDeadLetters:
    """`exports`: the channels that lead somewhere in this deployment.

    INVARIANT: a message that no handler can take has one dead letter and one export, whatever dies between the dead letter and
    the acknowledgement (tests/integration/test_dead_letters_once.py::test_a_message_that_comes_again_adds_nothing).
    """

    def __init__(self, session: Session, exports: frozenset[Channel]) -> None:
        self._session = session
        self._announce = Channel.DEAD_LETTERS in exports

    async def add(self, dead_letter: DeadLetter) -> None:
        parameters = {
            **{name: getattr(dead_letter, name) for name in FIELDS},
            "headers": Jsonb(dead_letter.headers),
            "fingerprint": _fingerprint(dead_letter),
            "limit": EXPORTED_BYTES,
            "announce": self._announce,
        }
        await self._session.run(ADD_DEAD_LETTER, parameters)

    async def of(self, image_id: UUID) -> list[DeadLetter]:
        return [_dead_letter(row) for row in await self._session.rows(DEAD_LETTERS_OF_IMAGE, {"image_id": image_id})]

    async def find(self, dead_letter_id: int) -> DeadLetterEntry | None:
        rows = await self._session.rows(FIND_DEAD_LETTER, {"id": dead_letter_id})
        return _entry(rows[0]) if rows else None

    async def page(self, *, before: int | None, code: str | None, limit: int) -> list[DeadLetterEntry]:
        rows = await self._session.rows(PAGE_OF_DEAD_LETTERS, {"before": before, "code": code, "limit": limit})
        return [_entry(row) for row in rows]

    async def remove(self, ids: Sequence[int]) -> frozenset[int]:
        return frozenset(row["id"] for row in await self._session.rows(REMOVE_DEAD_LETTERS, {"ids": list(ids)}))

    async def remove_of(self, image_id: UUID, rendition: str) -> None:
        await self._session.run(REMOVE_DEAD_LETTERS_OF_RENDITION, {"image_id": image_id, "rendition": rendition})

    async def purge(self, *, older_days: int, after: int | None, limit: int) -> PurgeResult[int]:
        [row] = await self._session.rows(PURGE_DEAD_LETTERS, {"days": older_days, "after": after or 0, "limit": limit})
        return PurgeResult(row["count"], row["last"])


def _fingerprint(dead_letter: DeadLetter) -> str | None:
    """Equal for two dead letters of the same message: its source and its whole content. None for those of renditions.

    The source alone is not enough: a topic that was deleted and created again counts its offsets from 0.
    """
    if dead_letter.channel is None:
        return None
    message = (dead_letter.source, dead_letter.channel, dead_letter.type, dead_letter.key, dead_letter.headers, dead_letter.body)
    return hashlib.sha256(msgspec.json.encode(message, order="deterministic")).hexdigest()


def _entry(row: DictRow) -> DeadLetterEntry:
    status = row["rendition_status"]
    return DeadLetterEntry(row["id"], row["created_at"], _dead_letter(row), Status(status) if status else None)


def _dead_letter(row: DictRow) -> DeadLetter:
    values = {name: row[name] for name in FIELDS}
    channel = Channel(row["channel"]) if row["channel"] else None
    return DeadLetter(**{**values, "body": bytes(row["body"]), "channel": channel})
