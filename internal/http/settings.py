"""The settings of the HTTP server."""

from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Struct

from internal.observability.settings import MetricsSettings
from internal.runtime.section import SettingsError, env


class ServerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    host: Annotated[str, env("SERVER_HOST", "Address on which the API listens.")]
    port: Annotated[int, env("SERVER_PORT", "Port on which the API listens.", ge=1, le=65535)]
    workers: Annotated[int, env("SERVER_WORKERS", "Number of API processes. They share SERVER_PORT.", ge=1, le=256)]
    max_uploads: Annotated[
        int, env("SERVER_MAX_UPLOADS", "Uploads that one API process receives at the same time. Further uploads wait.", ge=1)
    ]
    upload_seconds: Annotated[float, env("SERVER_UPLOAD_SECONDS", "Time limit of one upload, in seconds.", gt=0)]
    shutdown_seconds: Annotated[
        float, env("SERVER_SHUTDOWN_SECONDS", "Time that running requests have to finish after SIGTERM, in seconds.", gt=0)
    ]
    max_connections: Annotated[
        int,
        env(
            "SERVER_MAX_CONNECTIONS",
            "Connections of one API process. Above this number idle connections are closed; if none is idle, new ones get a 503.",
            ge=8,
        ),
    ]
    address_share: Annotated[
        float,
        env(
            "SERVER_ADDRESS_SHARE",
            "Share of the connections and uploads that one client address may use. 1: no limit per address.",
            gt=0,
            le=1,
        ),
    ]
    owner_share: Annotated[
        float,
        env(
            "SERVER_OWNER_SHARE",
            "Share of SERVER_MAX_UPLOADS that one owner may use. 1: no limit per owner.",
            gt=0,
            le=1,
        ),
    ]
    header_seconds: Annotated[
        float, env("SERVER_HEADER_SECONDS", "Time limit for receiving the headers of a request, in seconds.", gt=0)
    ]
    stall_seconds: Annotated[
        float,
        env(
            "SERVER_STALL_SECONDS",
            "Longest pause between two bytes of a request's body or of an answer, in seconds. Then the connection is closed.",
            gt=0,
        ),
    ]
    least_rate: Annotated[
        float,
        env(
            "SERVER_LEAST_RATE",
            "Lowest average rate of a request's body and of an answer, in bytes per second. 0: no limit.",
            ge=0,
        ),
    ]
    grace_seconds: Annotated[
        float,
        env(
            "SERVER_GRACE_SECONDS",
            "Time that a client may fall behind SERVER_LEAST_RATE before its connection is closed, in seconds.",
            gt=0,
        ),
    ]
    keep_alive_seconds: Annotated[
        float, env("SERVER_KEEP_ALIVE_SECONDS", "Time that an idle connection stays open for its next request, in seconds.", gt=0)
    ]
    cache_control: Annotated[
        str, env("SERVER_CACHE_CONTROL", "Value of the Cache-Control header of originals and renditions.", min_length=1)
    ]
    public_cache_control: Annotated[
        str,
        env(
            "SERVER_PUBLIC_CACHE_CONTROL",
            "Value of the Cache-Control header of public renditions. Caches may show one for so long after it was made private.",
            min_length=1,
        ),
    ]
    public_url: Annotated[
        str,
        env(
            "PUBLIC_URL",
            "Where clients reach the API, such as https://images.example.com: with it signed links are absolute, else relative.",
        ),
    ]

    def validate(self) -> None:
        if self.public_url and not is_public_url(self.public_url):
            raise SettingsError("PUBLIC_URL: expected http(s)://HOST, perhaps with a port and a path, and nothing behind it")


def is_public_url(text: str) -> bool:
    """Whether paths of the API can be put behind it."""
    try:
        parts = urlsplit(text)
        host = parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is no number
        return False
    rest = parts.query or parts.fragment or parts.username or parts.password
    plain = text.isascii() and text.isprintable() and " " not in text and not text.endswith(("?", "#"))
    return parts.scheme in ("http", "https") and bool(host) and not rest and plain


def origin_of(public_url: str) -> str:
    """The origin of a public URL, as browsers write it; of an empty one empty."""
    parts = urlsplit(public_url.lower())
    return f"{parts.scheme}://{parts.netloc.removesuffix({'http': ':80', 'https': ':443'}[parts.scheme])}" if public_url else ""


def api_ports(server: ServerSettings, metrics: MetricsSettings) -> list[tuple[str, str, int]]:
    """The addresses on which the API listens: variable, host and port, for refuse_taken_ports."""
    own_port = [("METRICS_PORT", server.host, metrics.port)] if metrics.port else []
    return [("SERVER_PORT", server.host, server.port), *own_port]
