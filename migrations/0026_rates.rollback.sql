DROP TABLE upload_buckets;
