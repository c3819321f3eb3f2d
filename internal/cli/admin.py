"""Admin commands. They work on the service's own tables and objects with its settings, and don't use HTTP."""

import os
import pwd
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import uvloop
from msgspec.structs import replace

from internal.cli.errors import Unreachable, UsageError
from internal.domain.errors import DatabaseUnavailable, StoreMissing, StoreUnavailable, Unavailable, WrongStore
from internal.observability.logs import configure_logging
from internal.ports.repository.repository import Repository
from internal.postgres.pool import connection_string
from internal.runtime.section import SettingsError
from internal.settings.loader import load_settings
from internal.settings.sections import Settings
from internal.standalone.discover import running_standalone
from internal.wiring.operator import open_repository
from internal.wiring.store import place_of

SETTINGS = "Use the service's settings (DB_HOST, …), or APP_PROFILE=standalone for `make run`."


def run_admin(work: Callable[[Settings], Coroutine[Any, Any, int]]) -> int:
    """Run `work` with the service's settings, and return its exit code. Raises UsageError, and Unreachable for an outage."""
    try:
        settings = load_settings()
        settings.validate()
    except SettingsError as error:
        raise UsageError(f"configuration: {error}. {SETTINGS}") from error
    try:
        if os.environ.get("APP_PROFILE") == "standalone" and "DB_HOST" not in os.environ:
            settings = running_standalone(settings)
        _log(settings)
        _require_database(settings)
        return uvloop.run(work(settings))
    except Unavailable as outage:
        raise Unreachable(_outage_text(outage, settings)) from outage


def actor() -> str:
    """The audit's name for who runs this: `imagectl:` and the user of the system, by number if it has no name.

    No variable has a say in it: with LOGNAME anybody could act under another's name.
    """
    user = os.getuid()
    try:
        return f"imagectl:{pwd.getpwuid(user).pw_name}"
    except KeyError:
        return f"imagectl:{user}"


def _require_database(settings: Settings) -> None:
    """Raise DatabaseUnavailable, with the reason, if the database can't be reached. A pool would retry and hide the reason."""
    try:
        psycopg.connect(connection_string(settings.database)).close()
    except psycopg.Error as error:
        reason = str(error).splitlines()[0].rpartition("failed: ")[2]  # it begins with the address
        raise DatabaseUnavailable(f"{_no_database(settings)}: {reason}. {SETTINGS}") from error


def _no_database(settings: Settings) -> str:
    return f"The database {settings.database.name} on {settings.database.host}:{settings.database.port} does not answer"


def _log(settings: Settings) -> None:
    """Write log lines, but at a terminal only errors: there the report is enough."""
    level = "error" if sys.stderr.isatty() else settings.logging.level
    configure_logging(replace(settings.logging, level=level), "imagectl")


def _outage_text(outage: Unavailable, settings: Settings) -> str:
    """Return the outage's detail. The default details address clients, so they are replaced by sentences for operators."""
    if outage.detail != type(outage)().detail:
        return outage.detail
    if isinstance(outage, DatabaseUnavailable):
        return f"{_no_database(settings)}. {SETTINGS}"
    if isinstance(outage, StoreMissing):
        return f"There is no object store in {place_of(settings)}."
    if isinstance(outage, WrongStore):
        return f"The object store in {place_of(settings)} is not the database's own: `imagectl store show` says more."
    if isinstance(outage, StoreUnavailable):
        reason = f": {cause.strerror}" if isinstance(cause := outage.__cause__, OSError) and cause.strerror else ""
        return f"The object store in {place_of(settings)} does not answer{reason}."
    return outage.detail


@asynccontextmanager
async def open_tables(settings: Settings) -> AsyncIterator[Repository]:
    """Open the tables while the block runs. Raises DatabaseUnavailable, also if the database is not migrated."""
    async with open_repository(settings) as repository:
        await repository.check()
        yield repository
