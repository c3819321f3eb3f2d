"""Standalone service in one terminal: starts PostgreSQL, migrations, API and worker, and supervises them until Ctrl-C."""

import asyncio
import contextlib
import ctypes
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx2
import structlog
from msgspec.structs import replace

from internal.domain.errors import StoreRefused, Unavailable
from internal.http.settings import api_ports
from internal.postgres.migrations import migrate
from internal.postgres.settings import DatabaseSettings
from internal.runtime.listening import refuse_taken_ports
from internal.runtime.project import PROJECT
from internal.settings.sections import Settings
from internal.standalone.postgres import embedded_postgres
from internal.standalone.welcome import welcome
from internal.wiring.bootstrap import bootstrap_store
from internal.wiring.store import place_of

log = structlog.get_logger(__name__)

PROCESSES = {"api": "cmd/api/main.py", "worker": "cmd/worker/main.py"}
RESTART_SECONDS = 1.0
READY_SECONDS = 60.0
STORE_SECONDS = 2.0
"""Interval between checks of a refused store, which may be mounted later."""
PR_SET_PDEATHSIG = 1


async def run_standalone(settings: Settings, stopping: asyncio.Event) -> None:
    """Run the service until `stopping` is set. Raises SystemExit with one line if another one runs or a port is in use."""
    data = settings.standalone.folder
    data.mkdir(parents=True, exist_ok=True)
    with _single_instance(data):
        worker = settings.worker
        refuse_taken_ports([*api_ports(settings.server, settings.metrics), ("WORKER_PORT", worker.host, worker.port)])
        with embedded_postgres(data / "postgres", settings.database) as database:
            migrate(database)
            environment = _environment(settings, data, database)
            async with contextlib.AsyncExitStack() as stack:
                storage = replace(settings.storage, path=environment["STORAGE_PATH"])
                await stack.enter_async_context(_paired_store(replace(settings, database=database, storage=storage)))
                for name, script in PROCESSES.items():
                    await stack.enter_async_context(_supervised(name, script, environment))
                await _announce(replace(settings, storage=storage), data, stopping)
                await stopping.wait()
                log.info("standalone.stopping")


@contextmanager
def _single_instance(data: Path) -> Iterator[None]:
    """Hold the folder's lock, which the kernel releases however the process ends."""
    with (data / "standalone.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            sys.exit(
                f"The service already runs on {data} (process {lock.read().strip() or 'unknown'}). Stop it with Ctrl-C there."
            )
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _environment(settings: Settings, data: Path, database: DatabaseSettings) -> dict[str, str]:
    """Return the environment of API and worker, with the addresses of the embedded database and of the objects."""
    return {
        **os.environ,
        "APP_PROFILE": "standalone",
        "DB_HOST": database.host,
        "DB_PORT": str(database.port),
        "DB_USER": database.user,
        "DB_PASSWORD": database.password.reveal(),
        "DB_NAME": settings.database.name,
        "STORAGE_PATH": os.environ.get("STORAGE_PATH", str(data / "objects")),
    }


@asynccontextmanager
async def _paired_store(settings: Settings) -> AsyncIterator[None]:
    """Pair the store with the database. While the block runs, a refused store is checked again and again, so that a restored
    folder needs no restart.
    """
    tried = asyncio.Event()
    providing = asyncio.create_task(_provide_store(settings, tried), name="store")
    try:
        await tried.wait()
        yield
    finally:
        providing.cancel()
        await asyncio.gather(providing, return_exceptions=True)


async def _provide_store(settings: Settings, tried: asyncio.Event) -> None:
    logged = ""
    while True:
        try:
            await bootstrap_store(settings)
        except (StoreRefused, Unavailable) as error:
            if error.detail != logged:
                log.error("store.refused", detail=error.detail)
            logged = error.detail
        except Exception:
            log.exception("store.refused")
        else:
            return
        finally:
            tried.set()
        await asyncio.sleep(STORE_SECONDS)


@asynccontextmanager
async def _supervised(name: str, script: str, environment: dict[str, str]) -> AsyncIterator[None]:
    """Run a process while the block runs, and restart it if it dies. At the end, send SIGTERM and wait for it."""
    supervisor = asyncio.create_task(_supervise(name, script, environment), name=name)
    try:
        yield
    finally:
        supervisor.cancel()
        await asyncio.gather(supervisor, return_exceptions=True)


async def _supervise(name: str, script: str, environment: dict[str, str]) -> None:
    while True:
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                str(PROJECT / script),
                env=environment,
                cwd=PROJECT,
                start_new_session=True,  # Ctrl-C reaches this process only, which stops the others in order
                preexec_fn=_die_with_parent,
            )
        except (OSError, subprocess.SubprocessError) as error:  # no memory, or a Python that this user can't execute
            log.error("process.not_started", name=name, program=sys.executable, error=repr(error))
            await asyncio.sleep(RESTART_SECONDS)
            continue
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            process.send_signal(signal.SIGTERM)
            await asyncio.shield(process.wait())
            raise
        log.error("process.died", name=name, code=code)
        await asyncio.sleep(RESTART_SECONDS)


def _die_with_parent() -> None:
    """Let this process die with its parent, even if the parent is killed (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


async def _announce(settings: Settings, data: Path, stopping: asyncio.Event) -> None:
    """Print the addresses of service and data once it is ready. Raises SystemExit if the API does not answer within a minute."""
    host = "127.0.0.1" if settings.server.host in ("0.0.0.0", "::") else settings.server.host  # noqa: S104 - compared, not bound
    address = f"http://{f'[{host}]' if ':' in host else host}:{settings.server.port}"
    async with httpx2.AsyncClient() as client:
        try:
            async with asyncio.timeout(READY_SECONDS):
                await _until_ready(client, address, stopping)
        except TimeoutError:
            if not await _answers(client, f"{address}/health/live"):
                sys.exit(f"The service did not answer in {READY_SECONDS:g} seconds: see the lines above.")
            print(f"The service runs, but it is not ready: {address}/health says why.", file=sys.stderr, flush=True)
            await _until_ready(client, address, stopping)
    if not stopping.is_set():
        objects = place_of(settings)
        places = [str(data)] if Path(objects).is_relative_to(data) else [str(data), objects]
        print(welcome(address, places, settings), flush=True)


async def _until_ready(client: httpx2.AsyncClient, address: str, stopping: asyncio.Event) -> None:
    while not (stopping.is_set() or await _answers(client, f"{address}/health/ready")):  # noqa: ASYNC110 - another process's
        await asyncio.sleep(0.05)


async def _answers(client: httpx2.AsyncClient, url: str) -> bool:
    """True if the response is a 200."""
    try:
        return (await client.get(url)).status_code == 200
    except httpx2.TransportError:
        return False
