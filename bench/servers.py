"""The processes behind a service of tests.services, as far as they can be seen, so that their CPU time can be counted."""

import subprocess
from contextlib import suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import psycopg

from bench.sampler import Group

DOCKER_SECONDS = 10


def postgres_group(conninfo: str, port: int) -> list[Group]:
    """PostgreSQL and its backends: in a container that publishes `port`, or by the pid file in its data folder."""
    if (pid := _in_container(port)) is None:
        with suppress(OSError, ValueError, psycopg.Error), psycopg.connect(conninfo) as connection:
            row = connection.execute("SHOW data_directory").fetchone()
            pid = int((Path(str(row[0])) / "postmaster.pid").read_text().split()[0]) if row else None
    return _group("postgres", pid)


def listening_group(name: str, port: int) -> list[Group]:
    """The server that listens on `port`, in a container or not."""
    pid = _in_container(port)
    return _group(name, _listening(port) if pid is None else pid)


def durability(conninfo: str) -> str:
    """Whether this PostgreSQL waits for its disk, which decides what a commit costs."""
    with psycopg.connect(conninfo) as connection:
        row = connection.execute("SELECT version(), current_setting('fsync')").fetchone()
    version, fsync = row if row else ("", "unknown")
    return f"{' '.join(str(version).split()[:2])}, fsync {fsync}"


def _group(name: str, pid: int | None) -> list[Group]:
    return [] if pid is None else [Group(name, pid, family=True)]


def _in_container(port: int) -> int | None:
    """The first process of the container that publishes `port`; None without one, or without Docker."""
    with suppress(OSError, ValueError, IndexError, subprocess.SubprocessError):
        found = _docker("ps", "--quiet", "--filter", f"publish={port}").split()[0]
        return int(_docker("inspect", "--format", "{{.State.Pid}}", found)) or None
    return None


def _docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True, timeout=DOCKER_SECONDS).stdout


def _listening(port: int) -> int | None:
    with suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
                return int(connection.pid) if connection.pid else None
    return None
