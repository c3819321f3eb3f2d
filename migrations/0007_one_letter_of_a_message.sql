-- A message that nobody can take has one letter, however often it is delivered. Old letters have no fingerprint, nor do those
-- that old code writes.
-- depends: 0006_outbox_due_by_channel

ALTER TABLE dead_letters ADD COLUMN fingerprint text UNIQUE;
