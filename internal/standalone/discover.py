"""Discovery of a running `make run` by its data folder, for admin commands in another terminal."""

import os

from msgspec.structs import replace

from internal.domain.errors import DatabaseUnavailable
from internal.settings.sections import Settings

PORT, SOCKET_FOLDER = 3, 4
"""Line numbers in PostgreSQL's pid file."""


def running_standalone(settings: Settings) -> Settings:
    """Return the settings for its database and objects. Raises DatabaseUnavailable if no service runs on DATA_PATH."""
    data = settings.standalone.folder
    try:
        lines = (data / "postgres/postmaster.pid").read_text(encoding="utf-8").splitlines()
        database = replace(settings.database, host=lines[SOCKET_FOLDER], port=int(lines[PORT]))
    except (OSError, IndexError, ValueError) as error:
        raise DatabaseUnavailable(
            f"No service runs on {data}. Start it with `make run`, or name its data in DATA_PATH."
        ) from error
    path = settings.storage.path if "STORAGE_PATH" in os.environ else str(data / "objects")
    return replace(settings, database=database, storage=replace(settings.storage, path=path))
