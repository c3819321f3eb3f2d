DROP TABLE chore_leases;
ALTER TABLE renditions DROP COLUMN requested_at, DROP COLUMN resends;
