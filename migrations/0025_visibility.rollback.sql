ALTER TABLE images DROP COLUMN visibility;
