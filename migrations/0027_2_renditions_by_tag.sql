-- The order in which waiting renditions are claimed.
-- transactional: false
-- depends: 0027_1_fair_tags

CREATE INDEX CONCURRENTLY IF NOT EXISTS renditions_by_tag ON renditions (lane, start_tag, place) WHERE status = 'uploaded';
