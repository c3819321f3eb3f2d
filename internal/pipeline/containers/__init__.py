"""Walkers over file formats, in pure Python: they read, check and strip a container before libvips opens it."""
