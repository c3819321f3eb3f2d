"""What a process listens on."""

from internal.settings.sections import Settings


def api_ports(settings: Settings) -> list[tuple[str, str, int]]:
    """What the API listens on: variable, host and port, for refuse_taken_ports."""
    host, metrics = settings.server.host, settings.metrics.port
    return [("SERVER_PORT", host, settings.server.port), *([("METRICS_PORT", host, metrics)] if metrics else [])]
