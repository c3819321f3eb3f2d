"""The statements of an attempt: its claim, and every write that names its generation (G1, G2, G3)."""

from typing import LiteralString

from internal.repository.events import RECORD_EVENTS
from internal.repository.finish import FINISH_IMAGE

CLAIM_RENDITION: LiteralString = (
    """
    -- G2, G3: `attempt` (the generation) and `tries` (the attempts) rise before the file is opened, so that a decoder's death
    -- is counted and a stale worker matches nothing. The image's row is locked first, as everywhere: no deadlock with a finish.
    -- An `uploaded` rendition has an attempt left: that was checked when it was postponed, also if the maximum is lowered later.
    WITH image AS MATERIALIZED (
        SELECT id, owner, status, original_key, sha256, size, media_type,
               width IS NOT NULL AND orientation IS NOT NULL AND thumbhash IS NOT NULL AS facts_known
          FROM images WHERE id = %(image_id)s FOR NO KEY UPDATE
    ), claimable AS (
        SELECT r.id, count(*) OVER () > 1 AS more FROM renditions r, image
         WHERE r.image_id = image.id AND r.lane = %(lane)s
           AND (r.status = 'uploaded' AND r.due_at <= now()
                OR r.status = 'processing' AND r.lease_until < now() AND r.tries < %(max_attempts)s)
         ORDER BY r.place LIMIT 1
    ), claimed AS (
        UPDATE renditions r
           SET status = 'processing', attempt = r.attempt + 1, tries = r.tries + 1, resends = 0,
               lease_until = now() + %(lease)s * interval '1 s'
          FROM claimable, image
         WHERE r.id = claimable.id
           AND (r.status = 'uploaded' AND r.due_at <= now()
                OR r.status = 'processing' AND r.lease_until < now() AND r.tries < %(max_attempts)s)
        RETURNING r.id AS rendition_id, r.image_id, image.owner, r.name, r.pipeline, r.attempt, r.tries, image.original_key,
                  image.sha256 AS original_sha256, image.size AS original_size, image.media_type, image.status AS image_status,
                  image.facts_known, claimable.more, format(%(result_key)s, r.image_id, r.id, r.attempt) AS result_key
    ), listed AS (
        -- G4: in the claim itself, and so before anything is written under the key.
        INSERT INTO unreferenced_objects (key, deadline)
        SELECT result_key, now() + %(intent)s * interval '1 s' FROM claimed
        ON CONFLICT (key) DO UPDATE SET deadline = EXCLUDED.deadline
    ), begun AS (
        UPDATE images SET status = 'processing', updated_at = now()
         WHERE id = (SELECT image_id FROM claimed WHERE image_status <> 'processing')
    ), new_event AS (
        SELECT %(event)s::jsonb AS envelope, owner FROM claimed WHERE image_status <> 'processing'
    ),
"""
    + RECORD_EVENTS
    + """
    SELECT rendition_id, image_id, owner, name, pipeline, attempt, tries, original_key, original_sha256, original_size,
           media_type, facts_known, more, result_key, (SELECT pg_notify('outbox', 'events') FROM announced)
      FROM claimed
"""
)

RENEW_CLAIM = """
    -- G4: the attempt's keys stay pending objects while it lives; a write is needed only once in half of that time.
    WITH renewed AS (
        UPDATE renditions SET lease_until = now() + %(lease)s * interval '1 s'
         WHERE id = %(id)s AND attempt = %(generation)s AND status = 'processing'
        RETURNING id
    ), extended AS (
        UPDATE unreferenced_objects SET deadline = now() + %(intent)s * interval '1 s'
         WHERE key = ANY(%(keys)s) AND deadline < now() + %(intent)s / 2 * interval '1 s' AND EXISTS (SELECT FROM renewed)
    )
    SELECT id FROM renewed
"""

FINISH_RENDITION: LiteralString = (
    """
    -- G2: only the current claim. G4: the keys are consumed in the same statement; one that is not pending rolls all of it back.
    WITH old AS (
        SELECT id, result_key, alternatives FROM renditions WHERE id = %(id)s
    ), changed AS (
        UPDATE renditions
           SET status = 'processed', lease_until = NULL, error_code = NULL, error_detail = NULL, finished_at = now(),
               result_key = %(key)s, sha256 = %(sha256)s, size = %(size)s, width = %(width)s, height = %(height)s,
               frames = %(frames)s, content_type = %(content_type)s, alternatives = %(alternatives)s
         WHERE id = %(id)s AND attempt = %(generation)s AND status = 'processing'
        RETURNING id, status
    ), consumed AS (
        DELETE FROM unreferenced_objects
         WHERE key = ANY(%(keys)s) AND deadline > now() AND EXISTS (SELECT FROM changed)
        RETURNING key
    ), replaced AS (
        -- Regenerated: downloads of the old objects can end.
        INSERT INTO unreferenced_objects (key, deadline)
        SELECT key, now() + %(grace)s * interval '1 s'
          FROM changed JOIN old USING (id),
               LATERAL (SELECT old.result_key UNION ALL
                        SELECT further ->> 'key' FROM jsonb_array_elements(old.alternatives) AS further) AS kept (key)
         WHERE key IS NOT NULL
        ON CONFLICT (key) DO UPDATE SET deadline = EXCLUDED.deadline
    ),
"""
    + FINISH_IMAGE
    + """
    SELECT (SELECT count(*) FROM consumed) AS consumed, pg_notify('image', %(image_id)s::text),
           (SELECT pg_notify('outbox', 'events') FROM announced LIMIT 1)
      FROM changed
"""
)

FAIL_RENDITION: LiteralString = (
    """
    WITH changed AS (
        UPDATE renditions
           SET status = 'failed', lease_until = NULL, error_code = %(code)s, error_detail = %(detail)s,
               -- An old result is still served, with its own time.
               finished_at = CASE WHEN result_key IS NULL THEN now() ELSE finished_at END
         WHERE id = %(id)s AND attempt = %(generation)s AND status = 'processing'
        RETURNING id, status
    ),
"""
    + FINISH_IMAGE
    + """
    SELECT pg_notify('image', %(image_id)s::text), (SELECT pg_notify('outbox', 'events') FROM announced LIMIT 1) FROM changed
"""
)

POSTPONE_RENDITION = """
    UPDATE renditions
       SET status = 'uploaded', lease_until = NULL, due_at = now() + %(seconds)s * interval '1 s', tries = tries - %(released)s
     WHERE id = %(id)s AND attempt = %(generation)s AND status = 'processing'
    RETURNING id
"""

DEFER_RENDITIONS = """
    -- A postponed rendition, not due yet, has a message of its own.
    UPDATE renditions SET due_at = now() + %(seconds)s * interval '1 s'
     WHERE image_id = %(image_id)s AND lane = %(lane)s AND status = 'uploaded' AND due_at <= now()
    RETURNING id
"""
