"""METRICS_PORT: the API's metrics on a port of their own, which no stranger need reach."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from internal.http.asgi import App
from internal.http.server.side_server import SideServer


@asynccontextmanager
async def served_apart(app: App, host: str, port: int, *, shared: bool) -> AsyncIterator[None]:
    """Serve `app` while the block runs. `shared`: by several processes, each of which answers some. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, reuse_port=shared) as listening:
        server = SideServer(app)
        serving = asyncio.create_task(server.serve([listening]))
        try:
            yield
        finally:
            server.should_exit = True
            await asyncio.gather(serving, return_exceptions=True)
