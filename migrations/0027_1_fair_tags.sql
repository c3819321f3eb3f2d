-- Fair queueing: the tags of a waiting rendition, whose they are, and the request that asked for it (docs/adr/005-fair-queueing.md). A
-- rendition without a tag is claimed by its own message: rows of before, and those that old code adds. No row is rewritten.
-- depends: 0024_revoked_tokens

ALTER TABLE renditions
    ADD COLUMN start_tag  bigint,
    ADD COLUMN finish_tag bigint,
    ADD COLUMN tag_owner  text,
    ADD COLUMN request_id text;
