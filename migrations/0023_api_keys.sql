-- API keys. `hash` is the SHA-256 of the key, which is stored nowhere; `prefix` its first characters, by which it is found and shown.
-- A revoked key stays, so that lists and the audit have its name. Old code knows no keys.
-- depends: 0022_owners

CREATE TABLE api_keys (
    id           uuid PRIMARY KEY,
    name         text NOT NULL,
    owner        text NOT NULL,
    scopes       text[] NOT NULL,
    prefix       text NOT NULL,
    hash         bytea NOT NULL UNIQUE,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz
);
CREATE INDEX api_keys_by_prefix ON api_keys (prefix);
CREATE INDEX api_keys_by_owner ON api_keys (owner, id DESC);
