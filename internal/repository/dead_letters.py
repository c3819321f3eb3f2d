"""Dead letters: written where something stopped for good, read and taken by operators."""

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
from internal.ports.repository.dead_letters import KeptDeadLetter
from internal.ports.repository.purged import Purged
from internal.postgres.pool import Session

ADD_DEAD_LETTER = """
    -- The letter and what exports it, or neither. One that waits for another's commit here is the same message's, put away twice.
    WITH kept AS (
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
          FROM kept WHERE %(announce)s
        RETURNING channel
    )
    SELECT pg_notify('outbox', channel) FROM exported
"""

DEAD_LETTERS_OF_IMAGE = """
    SELECT code, detail, source, attempts, image_id, rendition, headers, body, channel, type, key
      FROM dead_letters WHERE image_id = %(image_id)s ORDER BY id
"""

KEPT_LETTERS: LiteralString = """
    -- With what has become of the rendition since: none any more means that the image is gone.
    SELECT d.id, d.created_at, d.code, d.detail, d.source, d.attempts, d.image_id, d.rendition, d.headers, d.body,
           d.channel, d.type, d.key, r.status AS rendition_status
      FROM dead_letters d LEFT JOIN renditions r ON r.image_id = d.image_id AND r.name = d.rendition
"""

FIND_LETTER: LiteralString = (
    KEPT_LETTERS
    + """
     WHERE d.id = %(id)s
"""
)

PAGE_OF_LETTERS: LiteralString = (
    KEPT_LETTERS
    + """
     WHERE (%(before)s::bigint IS NULL OR d.id < %(before)s) AND (%(code)s::text IS NULL OR d.code = %(code)s)
     ORDER BY d.id DESC LIMIT %(limit)s
"""
)

REMOVE_LETTERS = """
    DELETE FROM dead_letters WHERE id = ANY(%(ids)s) RETURNING id
"""

REMOVE_LETTERS_OF_RENDITION = """
    -- All that tell of it: what is tried again needs none of them, and when it fails again it writes a new one.
    DELETE FROM dead_letters WHERE image_id = %(image_id)s AND rendition = %(rendition)s
"""

PURGE_LETTERS = """
    -- As PURGE_EVENTS: by the primary key, from behind the last purge's.
    WITH oldest AS MATERIALIZED (
        SELECT id, created_at FROM dead_letters WHERE id > %(after)s ORDER BY id LIMIT %(limit)s
    ), removed AS (
        DELETE FROM dead_letters
         WHERE id = ANY (ARRAY (SELECT id FROM oldest WHERE created_at < now() - %(days)s * interval '1 day'))
        RETURNING id
    )
    SELECT count(*) AS count, max(id) AS last FROM removed
"""

LETTER = DeadLetter.__struct_fields__

EXPORTED_BYTES = 2**19
"""A letter's body is cut to so much when it is published: with the headers, what just fitted into the queue would fit no more."""


class PostgresDeadLetters:
    """`exports`: the channels that lead somewhere in this deployment.

    INVARIANT: a message that nobody can take has one letter and one export of it, whatever dies between the letter and the
    acknowledgement (tests/integration/test_dead_letters_once.py::test_a_message_that_comes_again_adds_nothing).
    """

    def __init__(self, session: Session, exports: frozenset[Channel]) -> None:
        self._session = session
        self._announce = Channel.DEAD_LETTERS in exports

    async def add(self, letter: DeadLetter) -> None:
        parameters = {
            **{name: getattr(letter, name) for name in LETTER},
            "headers": Jsonb(letter.headers),
            "fingerprint": _fingerprint(letter),
            "limit": EXPORTED_BYTES,
            "announce": self._announce,
        }
        await self._session.run(ADD_DEAD_LETTER, parameters)

    async def of(self, image_id: UUID) -> list[DeadLetter]:
        return [_letter(row) for row in await self._session.rows(DEAD_LETTERS_OF_IMAGE, {"image_id": image_id})]

    async def find(self, letter_id: int) -> KeptDeadLetter | None:
        rows = await self._session.rows(FIND_LETTER, {"id": letter_id})
        return _kept(rows[0]) if rows else None

    async def page(self, *, before: int | None, code: str | None, limit: int) -> list[KeptDeadLetter]:
        rows = await self._session.rows(PAGE_OF_LETTERS, {"before": before, "code": code, "limit": limit})
        return [_kept(row) for row in rows]

    async def remove(self, ids: Sequence[int]) -> frozenset[int]:
        return frozenset(row["id"] for row in await self._session.rows(REMOVE_LETTERS, {"ids": list(ids)}))

    async def remove_of(self, image_id: UUID, rendition: str) -> None:
        await self._session.run(REMOVE_LETTERS_OF_RENDITION, {"image_id": image_id, "rendition": rendition})

    async def purge(self, *, older_days: int, after: int | None, limit: int) -> Purged[int]:
        [row] = await self._session.rows(PURGE_LETTERS, {"days": older_days, "after": after or 0, "limit": limit})
        return Purged(row["count"], row["last"])


def _fingerprint(letter: DeadLetter) -> str | None:
    """What makes two letters the same message's: where it was and all that it said. None for a rendition's: each is one more.

    Where it was is not enough: a topic that was made anew counts its offsets from 0.
    """
    if letter.channel is None:
        return None
    message = (letter.source, letter.channel, letter.type, letter.key, letter.headers, letter.body)
    return hashlib.sha256(msgspec.json.encode(message, order="deterministic")).hexdigest()


def _kept(row: DictRow) -> KeptDeadLetter:
    status = row["rendition_status"]
    return KeptDeadLetter(row["id"], row["created_at"], _letter(row), Status(status) if status else None)


def _letter(row: DictRow) -> DeadLetter:
    values = {name: row[name] for name in LETTER}
    channel = Channel(row["channel"]) if row["channel"] else None
    return DeadLetter(**{**values, "body": bytes(row["body"]), "channel": channel})
