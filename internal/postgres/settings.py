"""The settings of PostgreSQL and of migrations."""

from typing import Annotated

from msgspec import Struct

from internal.runtime.setting import env


class DatabaseSettings(Struct, frozen=True, forbid_unknown_fields=True):
    host: Annotated[str, env("DB_HOST", "PostgreSQL's host, or the folder of its Unix socket.")]
    port: Annotated[int, env("DB_PORT", "PostgreSQL's port.", ge=1, le=65535)]
    user: Annotated[str, env("DB_USER", "PostgreSQL's user.")]
    password: Annotated[str, env("DB_PASSWORD", "PostgreSQL's password.")]
    name: Annotated[str, env("DB_NAME", "PostgreSQL's database.")]
    ssl_mode: Annotated[str, env("DB_SSL_MODE", "libpq's sslmode: disable, prefer, require, verify-full, …")]
    pool_size: Annotated[int, env("DB_POOL_SIZE", "Connections of one process.", ge=2, le=200)]
    timeout_seconds: Annotated[
        float, env("DB_TIMEOUT_SECONDS", "Longest wait for a connection or a statement, in seconds.", gt=0)
    ]


class MigrationSettings(Struct, frozen=True, forbid_unknown_fields=True):
    wait_seconds: Annotated[
        float, env("MIGRATE_WAIT_SECONDS", "How long migrate waits for services that are only starting, in seconds.", ge=0)
    ]
    lock_seconds: Annotated[
        float,
        env("MIGRATE_LOCK_SECONDS", "How long a migration tries to lock a table beside dumps and others, in seconds.", ge=0),
    ]
