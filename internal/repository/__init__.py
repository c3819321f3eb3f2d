"""All SQL, one file a table, each statement with a name."""
