DROP TRIGGER renditions_count_added ON renditions;
DROP TRIGGER renditions_count_changed ON renditions;
DROP TRIGGER renditions_count_removed ON renditions;
