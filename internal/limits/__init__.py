"""Limits: how often and how much a client may ask for, and how much an owner may have."""
