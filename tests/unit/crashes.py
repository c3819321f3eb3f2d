"""A process that crashes in every way that is logged, with a secret in its variables: `python -m tests.unit.crashes json`."""

import asyncio
import gc
import logging
import socket
import sys
import threading
from types import SimpleNamespace
from typing import Any, cast

import httpx2
import structlog
import uvicorn
import uvloop
from litestar import Litestar, get

from internal.http.asgi import ApiRequest, App, Receive, Scope, Send
from internal.http.middleware.access_log import AccessLog
from internal.http.middleware.methods import Methods
from internal.http.problems import HANDLERS
from internal.http.server.lingering import LingeringProtocol
from internal.observability.logs import configure_logging
from internal.observability.settings import LoggingSettings
from internal.worker.health import health_app

SECRET = "sesame-0123456789"
CRASHES = ("logged", "foreign", "route", "outside", "metrics", "task", "callback", "thread", "end")


class Crash(Exception):
    """Its text is the way in which it came."""


def crash(way: str, headers: dict[str, str]) -> None:
    """Raises Crash from a frame in which a header, and what was made of it, are variables."""
    token = headers["authorization"].removeprefix("Bearer ")
    cookies = [token.encode()]
    raise Crash(f"{way}, {len(cookies)} cookie")


def as_logged(headers: dict[str, str]) -> None:
    for way, told in (
        ("logged", lambda: structlog.get_logger("internal.somewhere").exception("something.crashed")),
        ("foreign", lambda: logging.getLogger("uvicorn.error").exception("Exception in %s", "something")),
    ):
        try:
            crash(way, headers)
        except Crash:
            told()


@get("/route")
async def route(request: ApiRequest) -> None:
    crash("route", dict(request.headers))


def api() -> App:
    """The framework's application as the API has it, and what crashes where no handler sees it."""
    inner = AccessLog(Methods(Litestar([route], exception_handlers=HANDLERS, openapi_config=None, logging_config=None)))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/outside":
            crash("outside", {name.decode(): value.decode() for name, value in scope["headers"]})
        await inner(scope, receive, send)

    return app


async def as_answered(app: App, path: str, headers: dict[str, str]) -> None:
    """By uvicorn, which logs what an application raises."""
    config = uvicorn.Config(cast("Any", app), http=cast("Any", LingeringProtocol), log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.create_task(server.serve([listening]))
        port = listening.getsockname()[1]
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            print((await http.get(path, headers=headers)).text)
        server.should_exit = True
        await serving


async def as_left_alone(headers: dict[str, str]) -> None:
    """In a task whose end nobody waits for, and in a callback that has the secret as its argument."""

    async def work(headers: dict[str, str]) -> None:
        crash("task", headers)

    task = asyncio.create_task(work(headers))
    asyncio.get_running_loop().call_soon(crash, "callback", headers)
    await asyncio.wait([task])
    del task
    gc.collect()


async def main(headers: dict[str, str]) -> None:
    as_logged(headers)

    async def source() -> list[Any]:
        crash("metrics", headers)
        return []

    await as_answered(api(), "/route", headers)
    await as_answered(api(), "/outside", headers)
    worker = health_app(cast("Any", SimpleNamespace(dependencies={}, gauges=[source])))
    await as_answered(worker, "/metrics", headers)
    await as_left_alone(headers)


if __name__ == "__main__":
    configure_logging(LoggingSettings(level="debug", format=cast("Any", sys.argv[1])), "api")
    given = {"authorization": f"Bearer {SECRET}", "cookie": f"session={SECRET}"}
    uvloop.run(main(given))
    thread = threading.Thread(target=crash, args=("thread", given))
    thread.start()
    thread.join()
    crash("end", given)
