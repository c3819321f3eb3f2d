"""METRICS_PORT: the API's metrics on a port of their own, which can stay private."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from internal.http.asgi import App
from internal.http.server.side_server import SideServer


@asynccontextmanager
async def serving_on_own_port(app: App, host: str, port: int, *, shared: bool) -> AsyncIterator[None]:
    """Serve `app` while the block runs. `shared`: several processes listen, and each answers some requests. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, reuse_port=shared) as listening:
        server = SideServer(app)
        serving = asyncio.create_task(server.serve([listening]))
        try:
            yield
        finally:
            server.should_exit = True
            await asyncio.gather(serving, return_exceptions=True)
