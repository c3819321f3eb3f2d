-- Images, their renditions and what keeps them whole. DESIGN: the words image, rendition, attempt, lane and owner.

CREATE TABLE images (
    id           uuid PRIMARY KEY,
    owner        text NOT NULL,
    status       text NOT NULL CHECK (status IN ('uploaded', 'processing', 'processed', 'failed')),
    original_key text NOT NULL UNIQUE,
    media_type   text NOT NULL,
    size         bigint NOT NULL,
    sha256       text NOT NULL,
    width        integer,
    height       integer,
    filename     text,
    metadata     jsonb NOT NULL DEFAULT '{}',
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX images_by_owner ON images (owner, created_at DESC, id DESC);
CREATE INDEX images_by_owner_and_status ON images (owner, status, created_at DESC, id DESC);

CREATE TABLE renditions (
    id           uuid PRIMARY KEY,
    image_id     uuid NOT NULL REFERENCES images ON DELETE CASCADE,
    place        integer NOT NULL,
    name         text NOT NULL,
    processing   text NOT NULL,
    pipeline     text NOT NULL,
    lane         text NOT NULL CHECK (lane IN ('fast', 'slow')),
    status       text NOT NULL DEFAULT 'uploaded' CHECK (status IN ('uploaded', 'processing', 'processed', 'failed')),
    attempt      integer NOT NULL DEFAULT 0,
    tries        integer NOT NULL DEFAULT 0,
    due_at       timestamptz NOT NULL DEFAULT now(),
    lease_until  timestamptz,
    error_code   text,
    error_detail text,
    result_key   text UNIQUE,
    sha256       text,
    size         bigint,
    width        integer,
    height       integer,
    frames       integer,
    content_type text,
    finished_at  timestamptz,
    UNIQUE (image_id, name)
);
CREATE INDEX renditions_due ON renditions (due_at) WHERE status = 'uploaded';
CREATE INDEX renditions_leased ON renditions (lease_until) WHERE status = 'processing';

-- What is to be published. A claim moves due_at into the future, so that no lock is held while a message is sent.
CREATE TABLE outbox (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel text NOT NULL,
    type    text NOT NULL,
    key     text NOT NULL,
    body    bytea NOT NULL,
    headers jsonb NOT NULL DEFAULT '{}',
    due_at  timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX outbox_due ON outbox (due_at, id);

-- Keys of objects that nothing refers to (yet, or any more), and until when they are left alone: G4.
CREATE TABLE unreferenced_objects (
    key       text PRIMARY KEY,
    deadline  timestamptz NOT NULL,
    listed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX unreferenced_objects_by_deadline ON unreferenced_objects (deadline);

CREATE TABLE events (
    id       uuid PRIMARY KEY,
    type     text NOT NULL,
    image_id uuid NOT NULL,
    owner    text NOT NULL,
    data     jsonb NOT NULL,
    time     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX events_by_image ON events (image_id, time, id);

CREATE TABLE idempotency_keys (
    owner       text NOT NULL,
    route       text NOT NULL,
    key         text NOT NULL,
    fingerprint text,
    answer      bytea,
    lease_until timestamptz NOT NULL,
    holder      uuid NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner, route, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

CREATE TABLE dead_letters (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    image_id   uuid,
    rendition  text,
    code       text NOT NULL,
    detail     text NOT NULL,
    source     text NOT NULL,
    attempts   integer NOT NULL,
    headers    jsonb NOT NULL DEFAULT '{}',
    body       bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX dead_letters_by_image ON dead_letters (image_id);
