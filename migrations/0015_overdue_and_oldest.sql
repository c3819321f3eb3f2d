-- Since when a rendition is asked for, however often it was tried, given back or sent again meanwhile; how often its message was sent
-- again; and who does a chore that one worker does at a time. Constant defaults: no row is rewritten, old rows count from this
-- migration on. Old code runs on this: it neither reads nor writes any of it.
-- depends: 0009_metadata_text

ALTER TABLE renditions
    ADD COLUMN requested_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN resends      smallint NOT NULL DEFAULT 0;

CREATE TABLE chore_leases (
    name        text PRIMARY KEY,
    worker_id   uuid NOT NULL,
    lease_until timestamptz NOT NULL
);
