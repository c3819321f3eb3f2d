ALTER TABLE images DROP COLUMN orientation;
