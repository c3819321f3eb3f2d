"""The settings of the HTTP server."""

from typing import Annotated

from msgspec import Struct

from internal.runtime.setting import env


class ServerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    host: Annotated[str, env("SERVER_HOST", "Address on which the API listens.")]
    port: Annotated[int, env("SERVER_PORT", "Port on which the API listens.", ge=1, le=65535)]
    workers: Annotated[int, env("SERVER_WORKERS", "API processes that share the port.", ge=1, le=256)]
    max_uploads: Annotated[int, env("SERVER_MAX_UPLOADS", "Uploads in flight in one API process; further ones wait.", ge=1)]
    upload_seconds: Annotated[float, env("SERVER_UPLOAD_SECONDS", "Longest time that one upload may take, in seconds.", gt=0)]
    shutdown_seconds: Annotated[
        float, env("SERVER_SHUTDOWN_SECONDS", "Time that requests get to end on SIGTERM, in seconds.", gt=0)
    ]
    max_connections: Annotated[
        int, env("SERVER_MAX_CONNECTIONS", "Connections of one API process; beyond it idle ones are closed, then 503.", ge=8)
    ]
    address_share: Annotated[
        float,
        env(
            "SERVER_ADDRESS_SHARE",
            "Largest share of connections and uploads that one address may have; 1: all.",
            gt=0,
            le=1,
        ),
    ]
    header_seconds: Annotated[float, env("SERVER_HEADER_SECONDS", "Time for a request's headers, in seconds.", gt=0)]
    stall_seconds: Annotated[
        float, env("SERVER_STALL_SECONDS", "Longest wait for a body's next byte, and for a client to take one, in seconds.", gt=0)
    ]
    least_rate: Annotated[
        float, env("SERVER_LEAST_RATE", "Least average rate of a body and of an answer, in bytes a second; 0: none.", ge=0)
    ]
    grace_seconds: Annotated[
        float, env("SERVER_GRACE_SECONDS", "How far a client may be behind the least rate, in seconds.", gt=0)
    ]
    keep_alive_seconds: Annotated[
        float, env("SERVER_KEEP_ALIVE_SECONDS", "Longest wait for a connection's next request, in seconds.", gt=0)
    ]
    cache_control: Annotated[str, env("SERVER_CACHE_CONTROL", "Cache-Control of binaries.", min_length=1)]
