"""The API under uvicorn: uvloop, httptools, and our own log instead of its."""

import errno
import socket
import sys

import uvicorn

from internal.logs import configure_logging
from internal.settings import Server, Settings


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; then requests in flight end within the configured time."""
    configure_logging(settings.logging, "api")
    server = settings.server
    refuse_taken_port(server)
    uvicorn.run(
        "internal.api.app:app_from_environment",
        factory=True,
        host=server.host,
        port=server.port,
        workers=server.workers if server.workers > 1 else None,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(server.shutdown_seconds),
    )


def refuse_taken_port(server: Server) -> None:
    """One clear line instead of a stack trace. Raises SystemExit."""
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((server.host, server.port))
        except OSError as error:
            reason = "is taken" if error.errno == errno.EADDRINUSE else f"can't be used: {error.strerror}"
            sys.exit(f"SERVER_PORT {server.port} on {server.host} {reason}. Choose another, for instance SERVER_PORT=8090.")
