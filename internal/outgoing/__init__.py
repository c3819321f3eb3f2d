"""Requests that this service makes of other servers."""
