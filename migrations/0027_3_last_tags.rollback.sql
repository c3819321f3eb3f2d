DROP INDEX renditions_last_tags;
