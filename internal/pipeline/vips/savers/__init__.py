"""How flat graphics are written, which is not as photographs are: one file a format. Runs in the sandbox's children only (G7)."""
