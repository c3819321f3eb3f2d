"""Hostile files and mutants of valid ones: responses of the API, and outcomes in a decoder (G7)."""
