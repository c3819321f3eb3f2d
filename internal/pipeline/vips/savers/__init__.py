"""Savers for flat graphics, one file per format. They run in the sandbox's children only (G7)."""
