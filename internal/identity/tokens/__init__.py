"""Tokens: signed JWTs of a configured issuer."""
