-- Each channel is published by itself: one whose rows pile up must cost the others no search through them.
-- depends: 0005_outbox_by_channel

CREATE INDEX outbox_due_by_channel ON outbox (channel, due_at, id);
