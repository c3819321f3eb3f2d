"""Files made to do harm, and mutants of good ones: what the API says to them, and what they do to a decoder (G7)."""
