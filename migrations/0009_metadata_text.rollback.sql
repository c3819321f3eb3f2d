ALTER TABLE images DROP COLUMN metadata_text;
