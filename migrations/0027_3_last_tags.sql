-- The last tag of an owner whose tasks wait or are in work.
-- transactional: false
-- depends: 0027_2_renditions_by_tag

CREATE INDEX CONCURRENTLY IF NOT EXISTS renditions_last_tags ON renditions (tag_owner, lane, finish_tag)
 WHERE status IN ('uploaded', 'processing');
