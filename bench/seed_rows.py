"""Seed rows: fills an empty database with the images, renditions, events and keys of a service that has run for long.

Written by SQL; there are no objects behind the rows. Rows are inserted oldest first, as a service does.
"""

from typing import LiteralString

import psycopg

from internal.domain.events import EventType

NUMBERED_ID = """
    -- Ordered by time like UUIDv7, so that index locality is realistic. Dropped with the connection.
    CREATE FUNCTION pg_temp.numbered_id(moment timestamptz, word text) RETURNS uuid LANGUAGE sql STABLE AS $$
        SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || '7' || substr(md5(word), 1, 3)
                || '8' || substr(md5(word), 4, 15))::uuid
    $$
"""

FILL_IMAGES = """
    -- One in a hundred has failed.
    INSERT INTO images (id, owner, status, original_key, media_type, size, sha256, width, height, filename,
                        created_at, updated_at, frames, has_alpha, dominant_colour, thumbhash)
    SELECT id, 'anonymous', CASE WHEN number %% 100 = 0 THEN 'failed' ELSE 'processed' END, 'originals/' || id, 'image/jpeg',
           700000, md5(id::text) || md5(number::text), 1632, 1224, 'picture-' || number || '.jpg',
           moment, moment, 1, false, '#8a7b6c', '3OcRJYB4d3h/iIeHeEh3eIhw+j2w'
      FROM (SELECT number, moment, pg_temp.numbered_id(moment, number::text) AS id
              FROM generate_series(%(count)s::bigint, 1, -1) AS number,
                   LATERAL (SELECT now() - interval '1 minute' - number * interval '2 s' AS moment) AS made) AS numbered
"""

FILL_RENDITIONS = """
    INSERT INTO renditions (id, image_id, place, name, processing, pipeline, lane, status, attempt, tries, due_at, finished_at,
                            error_code, error_detail, result_key, sha256, size, width, height, frames, content_type)
    SELECT made.id, i.id, place, CASE place WHEN 1 THEN 'default' ELSE 'number-' || place END, asked, asked, 'fast',
           i.status, 1, 1, i.created_at, i.created_at + interval '100 ms',
           CASE i.status WHEN 'failed' THEN 'invalid_image' END, CASE i.status WHEN 'failed' THEN 'The picture is cut off.' END,
           CASE i.status WHEN 'processed' THEN format('renditions/%%s/%%s/1', i.id, made.id) END, i.sha256, 9500, 300, 225, 1,
           'image/jpeg'
      FROM images i, generate_series(1, %(each)s) AS place,
           LATERAL (SELECT pg_temp.numbered_id(i.created_at, i.id::text || place) AS id,
                           format('resize:300x300|format:jpeg|quality:%%s', 80 + place) AS asked) AS made
"""

FILL_EVENTS = """
    INSERT INTO events (id, type, image_id, owner, data, time)
    SELECT pg_temp.numbered_id(i.created_at, i.id::text || type), type, i.id, i.owner, '{}',
           i.created_at + place * interval '20 ms'
      FROM images i, unnest(%(types)s::text[]) WITH ORDINALITY AS told (type, place)
"""

FILL_DEAD_LETTERS = """
    INSERT INTO dead_letters (image_id, rendition, code, detail, source, attempts, body, channel, type, key)
    SELECT i.id, 'default', 'invalid_image', 'The picture is cut off.', 'queue_messages/1', 1, '{}', 'fast',
           'process_image', i.id::text
      FROM images i WHERE i.status = 'failed'
"""

FILL_IDEMPOTENCY_KEYS = """
    -- One for every tenth picture, of the last twenty hours: none is old enough to be dropped.
    INSERT INTO idempotency_keys (owner, route, key, fingerprint, answer, lease_until, holder, created_at)
    SELECT 'anonymous', 'POST /images', 'key-' || md5(number::text), md5(number::text), convert_to(repeat('answer ', 60), 'UTF8'),
           moment, gen_random_uuid(), moment
      FROM generate_series(1, %(count)s::bigint / 10) AS number,
           LATERAL (SELECT now() - (number %% 72000) * interval '1 s' AS moment) AS made
"""

TOLD = [
    EventType.IMAGE_UPLOADED,
    EventType.IMAGE_PROCESSING_STARTED,
    EventType.RENDITION_COMPLETED,
    EventType.IMAGE_PROCESSING_COMPLETED,
]
STATEMENTS: tuple[LiteralString, ...] = (
    FILL_IMAGES,
    FILL_RENDITIONS,
    FILL_EVENTS,
    FILL_DEAD_LETTERS,
    FILL_IDEMPOTENCY_KEYS,
)


def seed_rows(conninfo: str, count: int, *, each: int = 1) -> None:
    """Insert `count` images with `each` renditions, then VACUUM, ANALYZE and CHECKPOINT."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # rows that we make refer to rows that we made
        connection.execute("SET synchronous_commit = off")
        connection.execute(NUMBERED_ID)
        for statement in STATEMENTS:
            connection.execute(statement, {"count": count, "each": each, "types": [kind.value for kind in TOLD]})
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")
