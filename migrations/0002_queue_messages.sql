-- The queue of the standalone deployment: a message is held under a lease and deleted when it is acknowledged.
-- depends: 0001_images

CREATE TABLE queue_messages (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel     text NOT NULL,
    type        text NOT NULL,
    key         text NOT NULL,
    body        bytea NOT NULL,
    headers     jsonb NOT NULL DEFAULT '{}',
    holder      uuid,
    lease_until timestamptz NOT NULL DEFAULT '-infinity',
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX queue_messages_free ON queue_messages (channel, lease_until, id);
