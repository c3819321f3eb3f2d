"""Use cases of stored images: look-up, further renditions, delete."""
