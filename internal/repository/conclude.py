"""What every statement that ends a rendition does besides: derive the image's status, and tell what happened.

Parts of statements, not statements: each continues a WITH. They are run under the image's lock, which an earlier statement took,
so that two last renditions that end at once see each other.
"""

from typing import LiteralString

from internal.repository.outbox import RECORD_HAPPENED

DERIVE_STATUS: LiteralString = """
    -- Continues a WITH that has `changed (id, status)`: a rendition that the statement itself changes is not seen changed here.
    -- `failed` when one has failed and none is still to come, `processed` when all are; else work waits or is under way.
    before AS (
        SELECT id, status FROM images WHERE id = %(image_id)s
    ), derived AS (
        SELECT CASE WHEN bool_or(status = 'processing') THEN 'processing'
                    WHEN bool_or(status = 'uploaded') THEN CASE WHEN bool_and(attempt = 0) THEN 'uploaded' ELSE 'processing' END
                    WHEN bool_or(status = 'failed') THEN 'failed'
                    ELSE 'processed' END AS status
          FROM (SELECT coalesce(changed.status, r.status) AS status, r.attempt
                  FROM renditions r LEFT JOIN changed ON changed.id = r.id
                 WHERE r.image_id = %(image_id)s) AS all_of_them
    ), refreshed AS (
        UPDATE images SET status = derived.status, updated_at = now() FROM derived WHERE images.id = %(image_id)s
    )
"""

CONCLUDE: LiteralString = (
    DERIVE_STATUS
    + """
    , happened AS (
        -- What the caller tells of the rendition, and of the image itself when that was its last one.
        SELECT %(event_id)s::uuid AS id, %(event_type)s AS type, %(image_id)s::uuid AS image_id, %(owner)s AS owner,
               %(event_data)s::jsonb AS data
          FROM changed
        UNION ALL
        SELECT %(final_id)s, CASE derived.status WHEN 'processed' THEN %(completed)s ELSE %(failed)s END,
               before.id, %(owner)s, '{}'
          FROM changed, before, derived
         WHERE derived.status <> before.status AND derived.status IN ('processed', 'failed')
    ),
"""
    + RECORD_HAPPENED
)
