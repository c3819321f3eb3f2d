"""The settings of logs, health checks and metrics."""

from typing import Annotated, Literal

from msgspec import Struct

from internal.runtime.secret import Secret
from internal.runtime.section import SettingsError, env


class LoggingSettings(Struct, frozen=True, forbid_unknown_fields=True):
    level: Annotated[Literal["debug", "info", "warning", "error"], env("LOG_LEVEL", "Lowest level that is logged.")]
    format: Annotated[Literal["json", "console"], env("LOG_FORMAT", "Format of the log: json for machines, console for people.")]


class HealthSettings(Struct, frozen=True, forbid_unknown_fields=True):
    seconds: Annotated[
        float, env("HEALTH_SECONDS", "Time limit for checking one dependency, for /health and /metrics, in seconds.", gt=0)
    ]


class MetricsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    port: Annotated[
        int,
        env(
            "METRICS_PORT",
            "Port of the API's /metrics. 0: /metrics is on SERVER_PORT, for clients on this machine or with METRICS_TOKEN.",
            ge=0,
            le=65535,
        ),
    ]
    token: Annotated[Secret, env("METRICS_TOKEN", "Bearer token that /metrics of API and worker requires. Empty: none.")]

    def validate(self) -> None:
        """A token is sent in a header field."""
        if any(not "!" <= character <= "~" for character in self.token.reveal()):
            raise SettingsError("METRICS_TOKEN (metrics.token): expected printable ASCII characters without spaces")
