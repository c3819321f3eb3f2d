"""The life of one rendition in a worker: claim, attempt, transitions, workspace."""
