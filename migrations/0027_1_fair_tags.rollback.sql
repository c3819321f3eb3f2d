ALTER TABLE renditions DROP COLUMN start_tag, DROP COLUMN finish_tag, DROP COLUMN tag_owner, DROP COLUMN request_id;
