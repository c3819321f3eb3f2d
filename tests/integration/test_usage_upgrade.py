"""Usage of a database that has images already when it is migrated, while older code goes on adding and deleting."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from uuid import uuid4

import psycopg
import pytest

from internal.domain.owner import Usage
from internal.maintenance.usage import UsageFolding
from internal.postgres import migrations
from internal.postgres.migrations import MIGRATIONS, migrate
from internal.postgres.pool import PooledSession, connection_string, open_connection_pool
from internal.postgres.settings import DatabaseSettings
from internal.repository.tables import PostgresRepository
from tests.integration.usage import ACTUAL
from tests.services.databases import own_database
from tests.services.kinds import PostgresService

ADD = """
    WITH added AS (
        INSERT INTO images (id, owner, status, original_key, media_type, size, sha256)
        VALUES (%(id)s, 'old', 'uploaded', %(key)s, 'image/jpeg', 1000, 'sha256') RETURNING id
    )
    INSERT INTO renditions (id, image_id, place, name, processing, pipeline, lane)
    SELECT gen_random_uuid(), id, 1, 'default', 'grayscale', 'grayscale', 'fast' FROM added
"""
FINISH = "UPDATE renditions SET status = 'processed', size = 10 WHERE image_id = %(id)s"
REMOVE = "DELETE FROM images WHERE id = %(id)s"


@pytest.fixture
def settings(postgres: PostgresService, tmp_path: Path) -> Iterator[DatabaseSettings]:
    """A database before usage was counted."""
    for file in MIGRATIONS.iterdir():
        if file.name < "0028":
            shutil.copy(file, tmp_path)
    with own_database(postgres) as own, pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", tmp_path)
        migrate(own.settings())
        patch.undo()
        yield own.settings()


def work(settings: DatabaseSettings, ended: Event) -> int:
    """What older code does, with autocommit, until `ended`. Returns how many images it has added."""
    count = 0
    with psycopg.connect(connection_string(settings), autocommit=True) as connection:
        while not ended.is_set():
            values = {"id": uuid4(), "key": uuid4().hex}
            connection.execute(ADD, values)
            if count % 2:
                connection.execute(FINISH, values)
            if count % 3 == 0:
                connection.execute(REMOVE, values)
            count += 1
    return count


async def test_what_was_there_is_counted_beside_older_code(settings: DatabaseSettings) -> None:
    ended = Event()
    with psycopg.connect(connection_string(settings), autocommit=True) as connection:
        for _ in range(50):
            connection.execute(ADD, {"id": uuid4(), "key": uuid4().hex})
    with ThreadPoolExecutor(2) as elsewhere:
        running = [elsewhere.submit(work, settings, ended) for _ in range(2)]
        try:
            migrate(settings)
            async with open_connection_pool(settings) as pool:
                repository = PostgresRepository(pool, frozenset())
                assert not await repository.usage.is_counted()
                chore = UsageFolding(repository)
                while not await repository.usage.is_counted():
                    await chore.run()
        finally:
            ended.set()
        assert all(worker.result(60) > 1 for worker in running)

    async with open_connection_pool(settings) as pool:
        counted = (await PostgresRepository(pool, frozenset()).usage.of("old")).used
        [row] = await PooledSession(pool).rows(ACTUAL, {"owner": "old"})
    assert counted == Usage(int(row["images"]), int(row["bytes"]), int(row["queued"]))
    assert counted.images > 50
