-- A message that no handler could take can be sent again: where it was, and what it was called.
-- depends: 0001_images

ALTER TABLE dead_letters ADD COLUMN channel text, ADD COLUMN type text NOT NULL DEFAULT '', ADD COLUMN key text NOT NULL DEFAULT '';
