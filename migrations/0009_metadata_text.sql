-- Metadata as the text that came: jsonb writes 1e300 as a number of 301 digits. Rows of before, and those that old code writes, have
-- no text and are read from `metadata`, which is written too, for old code. No row is rewritten.
-- depends: 0008_orientation

ALTER TABLE images ADD COLUMN metadata_text text;
