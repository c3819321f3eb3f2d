"""Static files of the documentation pages; in vendor/ those of others, unchanged."""
