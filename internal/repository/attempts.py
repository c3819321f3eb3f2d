"""The statements of an attempt: its claim, and every write that names its generation (G1, G2, G3)."""

from typing import LiteralString

from internal.repository.events import RECORD_EVENTS
from internal.repository.fair import VIRTUAL_TIME
from internal.repository.finish import FINISH_IMAGE

CLAIMABLE: LiteralString = """
    (r.status = 'uploaded' AND r.due_at <= now()
     OR r.status = 'processing' AND r.lease_until < now() AND r.tries < %(max_attempts)s)
"""
"""An `uploaded` rendition has an attempt left: that was checked when it was postponed, also if the maximum is lowered later."""

CLAIM_RENDITION: LiteralString = (
    """
    -- G2, G3: `attempt` (the generation) and `tries` (the attempts) rise before the file is opened, so that a decoder's death
    -- is counted and a stale worker matches nothing. The image's row is locked first, as everywhere: no deadlock with a finish.
    -- `own`: the next rendition of the task in hand. Without one, of the message's own task, but only what the scan by tag does
    -- not see: no tag, one below the scan, or a lease that ran out. `lowest`: the lowest tag; tasks that others hold are skipped.
    WITH own AS MATERIALIZED (
        SELECT i.id, i.owner, i.status, i.original_key, i.sha256, i.size, i.media_type,
               i.width IS NOT NULL AND i.orientation IS NOT NULL AND i.thumbhash IS NOT NULL AS facts_known,
               (SELECT r.id FROM renditions r WHERE r.image_id = i.id AND r.lane = %(lane)s AND
"""
    + CLAIMABLE
    + """
                 ORDER BY r.place LIMIT 1) AS rendition_id, NULL::bigint AS lowest_tag
          FROM images i
         WHERE i.id = %(image_id)s AND (%(in_hand)s OR EXISTS (
                   SELECT FROM renditions r
                    WHERE r.image_id = i.id AND r.lane = %(lane)s
                      AND (r.start_tag IS NULL OR r.start_tag < %(floor)s OR r.status = 'processing') AND
"""
    + CLAIMABLE
    + """
               ))
           FOR NO KEY UPDATE
    ), lowest AS MATERIALIZED (
        SELECT i.id, i.owner, i.status, i.original_key, i.sha256, i.size, i.media_type,
               i.width IS NOT NULL AND i.orientation IS NOT NULL AND i.thumbhash IS NOT NULL AS facts_known,
               r.id AS rendition_id, r.start_tag AS lowest_tag
          FROM renditions r JOIN images i ON i.id = r.image_id
         WHERE NOT %(in_hand)s AND NOT EXISTS (SELECT FROM own)
           AND r.lane = %(lane)s AND r.status = 'uploaded' AND r.start_tag >= %(floor)s AND r.due_at <= now()
           AND NOT EXISTS (SELECT FROM renditions held
                            WHERE held.image_id = r.image_id AND held.lane = r.lane
                              AND held.status = 'processing' AND held.lease_until > now())
         ORDER BY r.start_tag, r.place LIMIT 1
           FOR NO KEY UPDATE OF i, r SKIP LOCKED
    ), chosen AS (
        SELECT id, owner, status, original_key, sha256, size, media_type, facts_known, rendition_id, lowest_tag FROM own
        UNION ALL
        SELECT id, owner, status, original_key, sha256, size, media_type, facts_known, rendition_id, lowest_tag FROM lowest
    ), claimed AS (
        UPDATE renditions r
           SET status = 'processing', attempt = r.attempt + 1, tries = r.tries + 1, resends = 0,
               lease_until = now() + %(lease)s * interval '1 s'
          FROM chosen
         WHERE r.id = chosen.rendition_id AND
"""
    + CLAIMABLE
    + """
        RETURNING r.id AS rendition_id, r.image_id, chosen.owner, r.name, r.pipeline, r.attempt, r.tries, chosen.original_key,
                  chosen.sha256 AS original_sha256, chosen.size AS original_size, chosen.media_type,
                  chosen.status AS image_status, chosen.facts_known, chosen.lowest_tag, r.request_id,
                  format(%(result_key)s, r.image_id, r.id, r.attempt) AS result_key
    ), listed AS (
        -- G4: in the claim itself, and so before anything is written under the key.
        INSERT INTO unreferenced_objects (key, deadline)
        SELECT result_key, now() + %(intent)s * interval '1 s' FROM claimed
        ON CONFLICT (key) DO UPDATE SET deadline = EXCLUDED.deadline
    ), begun AS (
        UPDATE images SET status = 'processing', updated_at = now()
         WHERE id = (SELECT image_id FROM claimed WHERE image_status <> 'processing')
    ), new_event AS (
        SELECT %(event)s::jsonb || jsonb_build_object('subject', image_id) AS envelope, owner
          FROM claimed WHERE image_status <> 'processing'
    ),
"""
    + RECORD_EVENTS
    + """
    SELECT rendition_id, image_id, owner, name, pipeline, attempt, tries, original_key, original_sha256, original_size,
           media_type, facts_known, result_key, request_id, lowest_tag,
           (SELECT count(*) > 1 FROM renditions r WHERE r.image_id = claimed.image_id AND r.lane = %(lane)s AND
"""
    + CLAIMABLE
    + """
           ) AS more, (SELECT pg_notify('outbox', 'events') FROM announced)
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

POSTPONE_RENDITION: LiteralString = (
    """
    -- What is due at once goes to the front of its lane. What is due later loses its tag: it is queued anew.
    UPDATE renditions task
       SET status = 'uploaded', lease_until = NULL, due_at = now() + %(seconds)s * interval '1 s', tries = tries - %(released)s,
           start_tag = CASE WHEN %(seconds)s = 0 AND start_tag IS NOT NULL THEN
"""
    + VIRTUAL_TIME
    + """
                       END
     WHERE id = %(id)s AND attempt = %(generation)s AND status = 'processing'
    RETURNING id
"""
)

DEFER_RENDITIONS = """
    -- A postponed rendition, not due yet, has a message of its own.
    UPDATE renditions SET due_at = now() + %(seconds)s * interval '1 s'
     WHERE image_id = %(image_id)s AND lane = %(lane)s AND status = 'uploaded' AND due_at <= now()
    RETURNING id
"""
