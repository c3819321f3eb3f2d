"""The settings of logs, health checks and metrics."""

from typing import Annotated, Literal

from msgspec import Struct

from internal.runtime.setting import env


class LoggingSettings(Struct, frozen=True, forbid_unknown_fields=True):
    level: Annotated[Literal["debug", "info", "warning", "error"], env("LOG_LEVEL", "Least level that is logged.")]
    format: Annotated[Literal["json", "console"], env("LOG_FORMAT", "json for machines, console for people.")]


class HealthSettings(Struct, frozen=True, forbid_unknown_fields=True):
    seconds: Annotated[
        float, env("HEALTH_SECONDS", "Longest look at one dependency, for /health and /metrics, in seconds.", gt=0)
    ]


class MetricsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    port: Annotated[
        int, env("METRICS_PORT", "Port of the API's /metrics; 0: SERVER_PORT, for this machine or METRICS_TOKEN.", ge=0, le=65535)
    ]
    token: Annotated[
        str,
        env(
            "METRICS_TOKEN",
            "Token without which /metrics of API and worker answers nobody (Authorization: Bearer); empty: none is asked for.",
            pattern=r"^[!-~]*\Z",
        ),
    ]
