-- What an admin has set for an owner. An owner without a row, or with NULL, has what the configuration says; the largest bigint is no
-- limit. The weight is the owner's share of the workers while several owners wait. Old code knows nothing of it.
-- depends: 0021_audit

CREATE TABLE owners (
    owner        text PRIMARY KEY,
    weight       double precision NOT NULL DEFAULT 1 CHECK (weight > 0),
    quota_images bigint CHECK (quota_images >= 0),
    quota_bytes  bigint CHECK (quota_bytes >= 0),
    quota_queued bigint CHECK (quota_queued >= 0),
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now()
);
