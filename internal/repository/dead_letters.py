"""Dead letters: written where something stopped for good, read and taken by operators."""

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from internal.images.model import DeadLetter, Status
from internal.queue.port import Channel, Message
from internal.repository.operators import KeptLetter
from internal.repository.outbox import PostgresOutbox
from internal.repository.pool import Session

ADD_DEAD_LETTER = """
    INSERT INTO dead_letters (image_id, rendition, code, detail, source, attempts, headers, body, channel, type, key)
    VALUES (%(image_id)s, %(rendition)s, %(code)s, %(detail)s, %(source)s, %(attempts)s, %(headers)s, %(body)s,
            %(channel)s, %(type)s, %(key)s)
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

LETTER = DeadLetter.__struct_fields__

EXPORTED_BYTES = 2**19
"""A letter's body is cut to so much when it is published: with the headers, what just fitted into the queue would fit no more."""


class PostgresDeadLetters:
    def __init__(self, session: Session, outbox: PostgresOutbox) -> None:
        self._session = session
        self._outbox = outbox

    async def add(self, letter: DeadLetter) -> None:
        parameters = {name: getattr(letter, name) for name in LETTER}
        await self._session.run(ADD_DEAD_LETTER, {**parameters, "headers": Jsonb(letter.headers)})
        headers = {
            **letter.headers,
            "dead-letter-source": letter.source,
            "dead-letter-code": letter.code,
            "dead-letter-detail": letter.detail,
            "dead-letter-attempts": str(letter.attempts),
        }
        if len(letter.body) > EXPORTED_BYTES:
            headers["dead-letter-size"] = str(len(letter.body))
        key = str(letter.image_id) if letter.image_id else letter.source
        await self._outbox.add(Channel.DEAD_LETTERS, Message("dead_letter", key, letter.body[:EXPORTED_BYTES], headers))

    async def of(self, image_id: UUID) -> list[DeadLetter]:
        return [_letter(row) for row in await self._session.rows(DEAD_LETTERS_OF_IMAGE, {"image_id": image_id})]

    async def find(self, letter_id: int) -> KeptLetter | None:
        rows = await self._session.rows(FIND_LETTER, {"id": letter_id})
        return _kept(rows[0]) if rows else None

    async def page(self, *, before: int | None, code: str | None, limit: int) -> list[KeptLetter]:
        rows = await self._session.rows(PAGE_OF_LETTERS, {"before": before, "code": code, "limit": limit})
        return [_kept(row) for row in rows]

    async def remove(self, ids: Sequence[int]) -> frozenset[int]:
        return frozenset(row["id"] for row in await self._session.rows(REMOVE_LETTERS, {"ids": list(ids)}))

    async def remove_of(self, image_id: UUID, rendition: str) -> None:
        await self._session.run(REMOVE_LETTERS_OF_RENDITION, {"image_id": image_id, "rendition": rendition})


def _kept(row: DictRow) -> KeptLetter:
    status = row["rendition_status"]
    return KeptLetter(row["id"], row["created_at"], _letter(row), Status(status) if status else None)


def _letter(row: DictRow) -> DeadLetter:
    values = {name: row[name] for name in LETTER}
    channel = Channel(row["channel"]) if row["channel"] else None
    return DeadLetter(**{**values, "body": bytes(row["body"]), "channel": channel})
