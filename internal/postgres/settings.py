"""The settings of PostgreSQL and of migrations."""

from typing import Annotated

from msgspec import Struct

from internal.runtime.secret import Secret
from internal.runtime.section import env


class DatabaseSettings(Struct, frozen=True, forbid_unknown_fields=True):
    host: Annotated[str, env("DB_HOST", "Host of PostgreSQL, or the folder of its Unix socket.")]
    port: Annotated[int, env("DB_PORT", "Port of PostgreSQL.", ge=1, le=65535)]
    user: Annotated[str, env("DB_USER", "PostgreSQL user.")]
    password: Annotated[Secret, env("DB_PASSWORD", "Password of the PostgreSQL user.")]
    name: Annotated[str, env("DB_NAME", "Name of the database.")]
    ssl_mode: Annotated[
        str, env("DB_SSL_MODE", "TLS mode of the connections, as libpq's sslmode: disable, prefer, require, verify-full, …")
    ]
    pool_size: Annotated[int, env("DB_POOL_SIZE", "Connections in the pool of one process.", ge=2, le=200)]
    timeout_seconds: Annotated[
        float, env("DB_TIMEOUT_SECONDS", "Time limit for getting a connection and for one statement, in seconds.", gt=0)
    ]


class MigrationSettings(Struct, frozen=True, forbid_unknown_fields=True):
    wait_seconds: Annotated[
        float, env("MIGRATE_WAIT_SECONDS", "Time that migrate waits for services that are still starting, in seconds.", ge=0)
    ]
    lock_seconds: Annotated[
        float,
        env(
            "MIGRATE_LOCK_SECONDS",
            "Time that a migration retries to lock a table that others use (a dump, a long query), in seconds.",
            ge=0,
        ),
    ]
