"""The first release's processes on a database that is upgraded under them: their connections stay open, with prepared statements.

Their code is no longer there to be run; what is run here is its look-up and how it writes to `images` (commit 91ad2de). The code
itself runs in tests/faults/test_rolling_upgrade.py.
"""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import dict_row
from structlog.testing import capture_logs

from internal.domain.message import Channel
from internal.postgres import first_release, migrations
from internal.postgres.first_release import NEW_CODE
from internal.postgres.migrations import MIGRATIONS, migrate, roll_back
from internal.postgres.pool import open_connection_pool
from internal.postgres.settings import DatabaseSettings
from internal.repository.tables import PostgresRepository
from tests.services.databases import own_database
from tests.services.kinds import PostgresService

LOOK_UP = """
    SELECT images.*, (SELECT json_agg(r ORDER BY place) FROM renditions r WHERE r.image_id = images.id) AS renditions
      FROM images WHERE id = %(id)s AND owner = %(owner)s
"""
ADD = """
    INSERT INTO images (id, owner, status, original_key, media_type, size, sha256, width, height, filename, metadata)
    SELECT %(id)s, 'anonymous', 'uploaded', %(key)s, 'image/jpeg', 1, 'sha256', 1, 1, 'old.jpg', '{"old": true}'
    RETURNING id, owner, created_at
"""
CHANGE = (
    "SELECT id, owner, status FROM images WHERE id = %(id)s FOR NO KEY UPDATE",
    "UPDATE images SET status = 'processing', updated_at = now() FROM (SELECT 1) AS one WHERE images.id = %(id)s",
    "INSERT INTO renditions (id, image_id, place, name, processing, pipeline, lane)"
    " VALUES (gen_random_uuid(), %(id)s, 1, gen_random_uuid()::text, 'grayscale', 'grayscale', 'fast')",
    "SELECT r.id FROM renditions r JOIN images i ON i.id = r.image_id WHERE i.id = %(id)s FOR NO KEY UPDATE OF i, r SKIP LOCKED",
)
REMOVE = "DELETE FROM images WHERE id = %(id)s"

PREPARED = 3
KIND = """
    SELECT n.nspname || ' ' || c.relkind::text AS kind
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = 'images'
"""


class OldProcess:
    """What one of the first release's connections does."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def work(self) -> dict[str, Any]:
        """Everything once, with a new image that stays there: what it reads of it."""
        values = {"id": uuid4(), "key": uuid4().hex, "owner": "anonymous"}
        removed = {**values, "id": uuid4(), "key": uuid4().hex}
        for of_image in (values, removed):
            assert self._connection.execute(ADD, of_image).fetchone()
            for statement in CHANGE:
                self._connection.execute(statement, of_image)
        self._connection.execute(REMOVE, removed)
        row: dict[str, Any] | None = self._connection.execute(LOOK_UP, values).fetchone()
        assert row
        assert self._connection.execute(LOOK_UP, removed).fetchone() is None
        return row


@pytest.fixture
def settings(postgres: PostgresService) -> Iterator[DatabaseSettings]:
    with own_database(postgres) as own:
        yield own.settings()


@pytest.fixture
def of_first_release(settings: DatabaseSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DatabaseSettings:
    """A database that the first release has migrated."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    for file in MIGRATIONS.glob("000[1-7]_*.sql"):
        shutil.copy(file, folder)
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", folder)
        migrate(settings)
    return settings


@contextmanager
def connected(settings: DatabaseSettings) -> Iterator[psycopg.Connection[Any]]:
    with closing(
        psycopg.connect(
            host=settings.host,
            port=settings.port,
            user=settings.user,
            password=settings.password.reveal(),
            dbname=settings.name,
            autocommit=True,
            row_factory=dict_row,
            prepare_threshold=1,
        )
    ) as connection:
        yield connection


def images_are(settings: DatabaseSettings) -> set[str]:
    """`schema kind` of all that is called images: r for a table, v for a view."""
    with connected(settings) as connection:
        return {row["kind"] for row in connection.execute(KIND)}


@pytest.mark.usefixtures("of_first_release")
def test_old_processes_go_on(settings: DatabaseSettings) -> None:
    with connected(settings) as connection, connected(settings) as opened_later:
        old = OldProcess(connection)
        for _ in range(PREPARED):
            before = old.work()
        migrate(settings)

        for process in (old, OldProcess(opened_later)):
            for _ in range(PREPARED):
                assert process.work().keys() == before.keys()
        assert images_are(settings) == {f"{NEW_CODE} r", "public v"}


@pytest.mark.usefixtures("of_first_release")
async def test_new_code_has_the_new_columns_beside_it(settings: DatabaseSettings) -> None:
    async with open_connection_pool(settings) as pool:  # also one that was started before migrate
        repository = PostgresRepository(pool, frozenset(Channel))
        with connected(settings) as connection:
            OldProcess(connection).work()
            migrate(settings)
            written = OldProcess(connection).work()
        await repository.check()
        found = await repository.images.find("anonymous", UUID(str(written["id"])))
    assert found
    assert found.original.filename == "old.jpg"
    assert (found.original.orientation, found.metadata) == (None, '{"old": true}')


@pytest.mark.usefixtures("of_first_release")
async def test_the_table_is_put_back_when_the_old_code_is_gone(settings: DatabaseSettings) -> None:
    """Beside newer processes, which have prepared their statements on the table where it was."""
    async with open_connection_pool(settings) as pool:
        repository = PostgresRepository(pool, frozenset(Channel))
        with connected(settings) as connection:
            old = OldProcess(connection)
            image_id = old.work()["id"]
            migrate(settings)
            for _ in range(2 * PREPARED):
                assert await repository.images.find("anonymous", image_id)
            migrate(settings)
            assert images_are(settings) == {f"{NEW_CODE} r", "public v"}, "it is still connected"

        migrate(settings)

        assert images_are(settings) == {"public r"}
        for _ in range(2 * PREPARED):
            assert await repository.images.find("anonymous", image_id)
        await repository.check()


@pytest.mark.usefixtures("of_first_release")
def test_an_upgrade_without_old_processes_leaves_nothing_behind(settings: DatabaseSettings) -> None:
    """As one with a pause, or of `make run`."""
    migrate(settings)
    assert images_are(settings) == {"public r"}


@pytest.mark.usefixtures("of_first_release")
def test_putting_it_back_waits_for_no_lock(settings: DatabaseSettings) -> None:
    with connected(settings) as connection:
        migrate(settings)
        connection.execute("SET application_name = 'a dump'")
        with connection.transaction():
            connection.execute("SELECT id FROM images")
            migrate(settings)
        assert images_are(settings) == {f"{NEW_CODE} r", "public v"}
        migrate(settings)
    assert images_are(settings) == {"public r"}


@pytest.mark.usefixtures("of_first_release")
def test_the_view_has_the_privileges_of_the_table(settings: DatabaseSettings) -> None:
    role = f"test_{uuid4().hex[:12]}"
    with connected(settings) as connection:
        connection.execute(f'CREATE ROLE "{role}"'.encode())
        try:
            connection.execute(f'GRANT SELECT, INSERT, UPDATE, DELETE ON images, renditions TO "{role}"'.encode())
            connection.execute(f'SET ROLE "{role}"'.encode())
            old = OldProcess(connection)
            old.work()
            migrate(settings)
            old.work()
            connection.execute(first_release.LOOK_INTO)
            assert connection.execute("SELECT orientation FROM images").fetchall()
        finally:
            connection.execute("RESET ROLE")
            connection.execute(f'DROP OWNED BY "{role}"'.encode())
            connection.execute(f'DROP ROLE "{role}"'.encode())


@pytest.mark.usefixtures("of_first_release")
def test_a_missing_right_to_create_a_schema_is_reported(settings: DatabaseSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_release, "MAY_CREATE_SCHEMA", "SELECT false")
    with capture_logs() as lines:
        migrate(settings)
    assert [line["event"] for line in lines if line["log_level"] == "warning"] == ["migrate.old_code_will_fail"]
    assert images_are(settings) == {"public r"}


@pytest.mark.usefixtures("of_first_release")
def test_it_can_be_rolled_back(settings: DatabaseSettings) -> None:
    with connected(settings):
        migrate(settings)
        roll_back(settings)
        migrate(settings)
    assert images_are(settings) == {"public r"}


def test_a_new_database_has_a_table_and_nothing_else(settings: DatabaseSettings) -> None:
    with connected(settings):
        migrate(settings)
    assert images_are(settings) == {"public r"}
