"""Decoder processes: pool, child, Landlock, seccomp, limits."""
