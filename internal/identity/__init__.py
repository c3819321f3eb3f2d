"""Identity: who sends a request, by a key, a token or a link."""
