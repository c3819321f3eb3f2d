ALTER TABLE dead_letters DROP COLUMN channel, DROP COLUMN type, DROP COLUMN key;
