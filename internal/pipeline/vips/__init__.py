"""Everything that touches pixels: load, operate, colour, encode. The only room that imports pyvips; sandbox children run it."""
