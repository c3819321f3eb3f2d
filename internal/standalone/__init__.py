"""`make run`: the embedded PostgreSQL and the supervisor."""
