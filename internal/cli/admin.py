"""Operators' commands work on the service's own tables and objects, with its settings, and not over HTTP."""

import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import psycopg
import uvloop
from msgspec.structs import replace

from internal.cli.errors import Unreachable, UsageError
from internal.domain.errors import DatabaseUnavailable, StoreMissing, StoreUnavailable, Unavailable, WrongStore
from internal.observability.logs import configure_logging
from internal.postgres.pool import connection_string
from internal.runtime.section import SettingsError
from internal.settings.loader import load_settings
from internal.settings.sections import Settings
from internal.standalone.discover import running_standalone
from internal.wiring.store import place_of

SETTINGS = "It is set as the service's is (DB_HOST, …); APP_PROFILE=standalone finds that of `make run`."


def operate(work: Callable[[Settings], Coroutine[Any, Any, int]]) -> int:
    """Do `work` with the settings that the service would have here; returns its exit code. An outage is Unreachable."""
    try:
        settings = load_settings()
        settings.validate()
    except SettingsError as error:
        raise UsageError(f"configuration: {error}") from error
    try:
        if os.environ.get("APP_PROFILE") == "standalone" and "DB_HOST" not in os.environ:
            settings = running_standalone(settings)
        _log(settings)
        _reach(settings)
        return uvloop.run(work(settings))
    except Unavailable as outage:
        raise Unreachable(_told(outage, settings)) from outage


def _reach(settings: Settings) -> None:
    """Say at once, and why, when the database can't be reached: a pool would try again, and tell nothing but that it gave up."""
    try:
        psycopg.connect(connection_string(settings.database)).close()
    except psycopg.Error as error:
        reason = str(error).splitlines()[0].rpartition("failed: ")[2]  # it begins with where, which is known
        raise DatabaseUnavailable(f"{_no_database(settings)}: {reason}. {SETTINGS}") from error


def _no_database(settings: Settings) -> str:
    return f"The database {settings.database.name} on {settings.database.host}:{settings.database.port} does not answer"


def _log(settings: Settings) -> None:
    """Lines for machines, where a machine listens: somebody at a terminal reads the report."""
    level = "error" if sys.stderr.isatty() else settings.logging.level
    configure_logging(replace(settings.logging, level=level), "imagectl")


def _told(outage: Unavailable, settings: Settings) -> str:
    """What the outage says of itself; its kind's own sentence speaks to clients, and has a better one here."""
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
