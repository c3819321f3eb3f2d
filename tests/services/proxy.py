"""A TCP proxy between a client and a real server, to make the network fail on demand."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

BLOCK = 2**16
WRITES = (b"PUT ", b"POST ", b"DELETE ")
ERROR_500 = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Proxy:
    """Listens on 127.0.0.1:`port` and passes everything on; the attributes may be changed at any time, from any thread.

    `cut_after` and `cut_requests_after`: each connection ends once so many bytes of answers, or of requests, went through it.
    `silent`: nothing is passed on, in either direction, until it is unset. `away`: connections end, and new ones at once.
    `delay`: seconds that each piece is held back. `answer`: what a request is told instead of being passed on; `answer_writes`:
    the same for an HTTP request that would change something. `drop_next`: the next bytes of a request end their connection
    unanswered, once. `replace`: bytes of answers, and what is passed on for them.
    `connections`, `requests` and `sent` count the connections, the pieces of requests that arrived, and their bytes.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._loop = asyncio.get_running_loop()
        self._loud = asyncio.Event()
        self._loud.set()
        self._away = False
        self._serving: set[asyncio.Task[None]] = set()
        self.port = 0
        self.cut_after: int | None = None
        self.cut_requests_after: int | None = None
        self.delay = 0.0
        self.answer: bytes | None = None
        self.answer_writes: bytes | None = None
        self.drop_next = False
        self.replace: tuple[bytes, bytes] | None = None
        self.connections = self.requests = self.sent = 0

    @property
    def silent(self) -> bool:
        return not self._loud.is_set()

    @silent.setter
    def silent(self, silent: bool) -> None:
        if silent:
            self._loud.clear()
        else:
            self._loop.call_soon_threadsafe(self._loud.set)

    @property
    def open(self) -> int:
        """Connections that there are now."""
        return len(self._serving)

    @property
    def away(self) -> bool:
        return self._away

    @away.setter
    def away(self, away: bool) -> None:
        self._away = away
        if away:
            self._loop.call_soon_threadsafe(self.cut)

    def cut(self) -> None:
        """End every connection."""
        for task in list(self._serving):
            task.cancel()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """For asyncio's server."""
        self.connections += 1
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        task.add_done_callback(lambda _: writer.close())  # also when it was cut before it began
        await asyncio.wait({task})

    async def close(self) -> None:
        self.cut()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_writer: asyncio.StreamWriter | None = None
        try:
            if self._away:
                return
            server_reader, server_writer = await self._connect()
            up = asyncio.create_task(self._up(reader, server_writer, writer))
            down = asyncio.create_task(self._down(server_reader, writer))
            try:
                await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                up.cancel()
                down.cancel()
                await asyncio.gather(up, down, return_exceptions=True)
        except asyncio.CancelledError:
            pass  # cut, or the proxy closes
        finally:
            ends = [end for end in (writer, server_writer) if end is not None]
            for end in ends:
                end.close()
            for end in ends:  # who is cut once more, here, has closed both
                with suppress(OSError):
                    await end.wait_closed()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self._target
        if host.startswith("/"):  # PostgreSQL's way to name the folder of its socket
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)

    async def _up(self, client: asyncio.StreamReader, server: asyncio.StreamWriter, back: asyncio.StreamWriter) -> None:
        passed = 0
        while block := await client.read(BLOCK):
            self.requests += 1
            if self.drop_next:
                self.drop_next = False
                return
            if (answer := self._answer_to(block)) is not None:
                await self._answer(answer, client, back)
                return
            self.sent += len(block)
            passed += await self._pass(block, server, passed, self.cut_requests_after)
            if self.cut_requests_after is not None and passed >= self.cut_requests_after:
                return

    def _answer_to(self, block: bytes) -> bytes | None:
        return self.answer_writes if self.answer_writes is not None and block.startswith(WRITES) else self.answer

    async def _answer(self, answer: bytes, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """Answer at once, and swallow the rest: who sends first and reads then is told too."""
        back.write(answer)
        while await client.read(BLOCK):
            pass

    async def _down(self, server: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        passed = 0
        while block := await server.read(BLOCK):
            if self.replace:
                block = block.replace(*self.replace)
            passed += await self._pass(block, client, passed, self.cut_after)
            if self.cut_after is not None and passed >= self.cut_after:
                return

    async def _pass(self, block: bytes, to: asyncio.StreamWriter, passed: int, limit: int | None) -> int:
        """Pass on what the limit leaves of it; returns the number of bytes."""
        if self.delay:
            await asyncio.sleep(self.delay)
        await self._loud.wait()
        if limit is not None:
            block = block[: max(0, limit - passed)]
        to.write(block)
        await to.drain()
        return len(block)


@asynccontextmanager
async def open_proxy(host: str, port: int) -> AsyncIterator[Proxy]:
    """A proxy before host:port, on a free port; leaving cuts what is still connected."""
    proxy = Proxy(host, port)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()


@contextmanager
def proxy_thread(host: str, port: int) -> Iterator[Proxy]:
    """The same for who has no event loop: the proxy runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="proxy")
    thread.start()
    opened = open_proxy(host, port)
    proxy = asyncio.run_coroutine_threadsafe(opened.__aenter__(), loop).result()
    try:
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(opened.__aexit__(None, None, None), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
