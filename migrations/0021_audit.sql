-- What admins do: rows that are added and never changed. Ids are UUIDv7, in the order of time. Old code knows no admins.
-- depends: 0020_uploads

CREATE TABLE audit_entries (
    id      uuid PRIMARY KEY,
    actor   text NOT NULL,
    action  text NOT NULL,
    target  text NOT NULL,
    details jsonb NOT NULL DEFAULT '{}',
    time    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX audit_entries_by_target ON audit_entries (target, id DESC);
