-- Uploads that outlive a request: pending images whose bytes are not all here (by URL, resumable, presigned). A multipart upload has
-- no row. Old code neither reads nor writes the table: to it a pending image is not there, and images and renditions are as before.
-- `options` are parsed and checked: renditions, metadata as text, file name.
-- The table is short and changes all the time: it is vacuumed by the number of dead rows, as the outbox is.
-- depends: 0019_2_outbox_due_by_channel_goes

CREATE TABLE uploads (
    id         uuid PRIMARY KEY,
    owner      text NOT NULL,
    kind       text NOT NULL,
    state      text NOT NULL,
    key        text NOT NULL UNIQUE,
    options    jsonb NOT NULL,
    received   bigint NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000);
CREATE INDEX uploads_by_owner ON uploads (owner, created_at DESC, id DESC);
CREATE INDEX uploads_by_expiry ON uploads (expires_at);
