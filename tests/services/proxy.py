"""A TCP proxy between a client and a real server, to make the network fail on demand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

BLOCK = 2**16


class Proxy:
    """Listens on 127.0.0.1:`port` and passes everything on; the attributes may be changed at any time.

    `cut_after`: each connection ends once so many bytes of answers went through it. `silent`: nothing is passed on, in either
    direction, until it is unset. `drop_next`: the next bytes of a request end their connection unanswered, once. `requests`
    counts the pieces of requests that arrived.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._loud = asyncio.Event()
        self._loud.set()
        self.port = 0
        self.cut_after: int | None = None
        self.drop_next = False
        self.requests = 0

    @property
    def silent(self) -> bool:
        return not self._loud.is_set()

    @silent.setter
    def silent(self, silent: bool) -> None:
        if silent:
            self._loud.clear()
        else:
            self._loud.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_writer: asyncio.StreamWriter | None = None
        try:
            server_reader, server_writer = await asyncio.open_connection(*self._target)
            up = asyncio.create_task(self._up(reader, server_writer))
            down = asyncio.create_task(self._down(server_reader, writer))
            _, pending = await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            for task in pending:
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
        except asyncio.CancelledError:
            pass  # the proxy closes
        finally:
            for end in filter(None, (writer, server_writer)):
                end.close()
                with suppress(OSError):
                    await end.wait_closed()

    async def _up(self, client: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        while block := await client.read(BLOCK):
            self.requests += 1
            if self.drop_next:
                self.drop_next = False
                return
            await self._loud.wait()
            server.write(block)
            await server.drain()

    async def _down(self, server: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        passed = 0
        while block := await server.read(BLOCK):
            await self._loud.wait()
            if self.cut_after is not None:
                block = block[: self.cut_after - passed]
            passed += len(block)
            client.write(block)
            await client.drain()
            if passed == self.cut_after:
                return


@asynccontextmanager
async def open_proxy(host: str, port: int) -> AsyncIterator[Proxy]:
    """A proxy before host:port, on a free port; leaving cuts what is still connected."""
    proxy = Proxy(host, port)
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(proxy.serve(reader, writer))
        serving.add(task)
        task.add_done_callback(serving.discard)
        await asyncio.wait({task})

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in list(serving):
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
