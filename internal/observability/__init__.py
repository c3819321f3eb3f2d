"""Logs, metrics, gauges, health."""
