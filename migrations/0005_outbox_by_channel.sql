-- How far a lane is behind is asked every few seconds, just when the outbox is long.
-- depends: 0003_facts_and_alternatives 0004_dead_letters

CREATE INDEX outbox_by_channel ON outbox (channel, created_at);
