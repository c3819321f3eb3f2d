"""An application on a real socket, under uvicorn as the API runs it, in a thread of the test's process."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from internal.http.server.lingering import LingeringProtocol
from tests.services.waiting import wait_until


class Served:
    def __init__(self, port: int, server: uvicorn.Server) -> None:
        self.port, self.server = port, server

    @contextmanager
    def connected(self) -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            yield connection

    def connections(self) -> int:
        return len(self.server.server_state.connections)


@contextmanager
def serving(app: Any, protocol: Any = LingeringProtocol) -> Iterator[Served]:
    """`app` while the block runs; then every request has to end."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=protocol,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=60,
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            wait_until(lambda: server.started, within=20)
            yield Served(listening.getsockname()[1], server)
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()


def read_to_end(connection: socket.socket) -> bytes:
    """What comes until the server has closed its side."""
    return b"".join(iter(lambda: connection.recv(65536), b""))
