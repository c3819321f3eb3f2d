"""Parts that the statements that finish a rendition share: derive the image's status, and record the events.

Each continues a WITH. The statements run under the image's lock, which an earlier statement has taken: two last renditions that
finish at once must see each other.
"""

from typing import LiteralString

from internal.repository.events import RECORD_EVENTS

DERIVE_STATUS: LiteralString = """
    -- Continues a WITH that has `changed (id, status)`: this snapshot does not show the rendition that the statement changes.
    -- `failed` if one has failed and none is still to come, `processed` if all are; else work waits or is under way.
    before AS (
        SELECT id, status FROM images WHERE id = %(image_id)s
    ), derived AS (
        SELECT CASE WHEN bool_or(status = 'processing') THEN 'processing'
                    WHEN bool_or(status = 'uploaded') THEN CASE WHEN bool_and(attempt = 0) THEN 'uploaded' ELSE 'processing' END
                    WHEN bool_or(status = 'failed') THEN 'failed'
                    ELSE 'processed' END AS status
          FROM (SELECT coalesce(changed.status, r.status) AS status, r.attempt
                  FROM renditions r LEFT JOIN changed ON changed.id = r.id
                 WHERE r.image_id = %(image_id)s) AS current
    ), refreshed AS (
        UPDATE images SET status = derived.status, updated_at = now() FROM derived WHERE images.id = %(image_id)s
    )
"""

FINISH_IMAGE: LiteralString = (
    DERIVE_STATUS
    + """
    , new_event AS (
        -- The rendition's event, and the image's own if this was its last rendition: which one depends on the derived status.
        SELECT %(event)s::jsonb AS envelope, %(owner)s AS owner FROM changed
        UNION ALL
        SELECT CASE derived.status WHEN 'processed' THEN %(completed)s::jsonb ELSE %(failed)s::jsonb END, %(owner)s
          FROM changed, before, derived
         WHERE derived.status <> before.status AND derived.status IN ('processed', 'failed')
    ),
"""
    + RECORD_EVENTS
)
