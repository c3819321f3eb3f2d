DROP INDEX renditions_by_tag;
