"""How bytes become an image: upload, inspection, options, metadata, idempotency."""
