-- Buckets of the rate limits of uploads: a row for each owner or address that has uploaded lately. `client` is `owner:NAME` or
-- `address:ADDRESS`. The levels are those at `counted_at`; they fall with time, and at `empty_at` the row is as if it were not there.
-- A row is updated with each upload. Half of each page is free, and no index has a column that changes, so that an update writes no
-- index (HOT). The table is short: it is vacuumed by the number of dead rows, as the outbox is. Old code neither reads nor writes it.
-- depends: 0025_visibility

CREATE TABLE upload_buckets (
    client       text PRIMARY KEY,
    uploads      double precision NOT NULL,
    upload_bytes double precision NOT NULL,
    counted_at   timestamptz NOT NULL,
    empty_at     timestamptz NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000);
