DROP TABLE dead_letters;
DROP TABLE idempotency_keys;
DROP TABLE events;
DROP TABLE unreferenced_objects;
DROP TABLE outbox;
DROP TABLE renditions;
DROP TABLE images;
