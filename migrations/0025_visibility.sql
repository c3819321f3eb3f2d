-- Whether anybody may read an image's results by its id: 'private' or 'public'. Old code runs on this: what it adds is private, and it
-- shows public images to their owners only. The default is a constant: no row is rewritten.
-- depends: 0023_api_keys

ALTER TABLE images ADD COLUMN visibility text NOT NULL DEFAULT 'private';
