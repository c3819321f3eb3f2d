"""A small HTTP server beside a process's main work: the worker's health, the API's metrics on a port of their own."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from typing import cast

import uvicorn
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from internal.http.asgi import App
from internal.http.middleware.default_headers import DefaultHeaders
from internal.http.middleware.methods import Methods
from internal.http.problems import HANDLERS
from internal.http.server.protocol import WatchedProtocol

STOP_SECONDS = 1
"""How long requests may take to finish at shutdown."""


def side_app(handlers: Sequence[HTTPRouteHandler]) -> App:
    """The ASGI application of such a server. `debug` is named, or else an environment variable decides it."""
    app = Litestar([*handlers], exception_handlers=HANDLERS, openapi_config=None, logging_config=None, debug=False)
    return DefaultHeaders(Methods(app))


class SideServer(uvicorn.Server):
    """uvicorn without signal handlers: the process has its own. `host` and `port` apply unless a socket is given."""

    def __init__(self, app: App, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host,
                port,
                http=cast("type[asyncio.Protocol]", WatchedProtocol),
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
