"""Row shapes that change under running processes: prepared statements outlive an upgrade's ADD COLUMN.

PostgreSQL refuses a prepared statement whose result has changed, "cached plan must not change result type" (0A000), each time
that it is run, and psycopg keeps it for as long as the connection lives (PostgreSQL 18, psycopg 3.3.9).
"""

import ast
import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, LiteralString
from uuid import uuid4

import psycopg
import pytest
from msgspec.structs import replace

from internal.domain.errors import StaleStatement
from internal.domain.status import Status
from internal.postgres.migrations import migrate
from internal.postgres.pool import Pool, PooledSession, connection_string, open_connection_pool, transaction
from internal.postgres.settings import DatabaseSettings
from internal.runtime.project import PROJECT
from tests import pictures
from tests.integration.service import Service
from tests.integration.test_plans import FRAGMENTS, OF_MIGRATE, PLACE, THEIR_OWN, VALUES, envelopes, statements
from tests.services.databases import own_database
from tests.services.kinds import PostgresService

STATEMENT = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|RETURNING|WITH)\b")
COMMENT = re.compile(r"--.*")
EVERY_COLUMN = re.compile(
    r"(\b(SELECT|RETURNING)\s*|,\s*|\.)\*|\b(row_to_json|to_jsonb?|json_agg|jsonb_agg)\((?!r ORDER BY place\))\w+[ )]"
)
"""A star, or a whole row as JSON. The one `json_agg` that is allowed is of a subquery that names its columns."""

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE '%yoyo%' ORDER BY tablename"

PREPARED = 3
"""With a `prepare_threshold` of 1 the second run prepares a statement, and the third is the first that uses it."""

ADD_BARE_IMAGE = """
    INSERT INTO images (id, owner, status, original_key, media_type, size, sha256)
    VALUES (%s, 'anonymous', 'uploaded', 'key', 'image/png', 1, 'sha256')
"""

FORGET = "DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$"
"""Drops a session's prepared statements without psycopg's noticing, as a pooler does that gives it another session."""


def texts(file: Path) -> Iterator[str]:
    """Every text in a source file that has words of SQL, docstrings excepted."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        text = node.value if isinstance(node, ast.Constant) and id(node) not in docstrings else None
        if isinstance(text, str) and STATEMENT.search(text):
            yield text


def test_columns_are_named() -> None:
    """In every statement of ours, also in one that nobody prepares: a new column must reach no code that does not ask for it."""
    found = {
        f"{file.relative_to(PROJECT)}: {match[0]}"
        for file in (PROJECT / "internal").rglob("*.py")
        for text in texts(file)
        for match in [EVERY_COLUMN.search(COMMENT.sub("", text))]
        if match
    }

    assert found == set()


NOT_NAMED = (
    "SELECT images.* FROM images",
    "SELECT * FROM images",
    "DELETE FROM images RETURNING *",
    "SELECT id, i.* FROM images i",
    "SELECT json_agg(r ORDER BY id) FROM renditions r",
    "SELECT to_jsonb(i) FROM images i",
)


@pytest.mark.parametrize("text", NOT_NAMED)
def test_a_column_that_is_not_named_is_seen(text: str) -> None:
    assert EVERY_COLUMN.search(text)


def test_a_product_names_no_column() -> None:
    assert not EVERY_COLUMN.search("SELECT count(*), now() - %(seconds)s * interval '1 s' FROM images")


@pytest.fixture
def own(postgres: PostgresService) -> Iterator[DatabaseSettings]:
    with own_database(postgres) as own:
        settings = own.settings(pool_size=1)
        migrate(settings)
        yield settings


async def test_every_statement_outlives_a_new_column_in_each_table(own: DatabaseSettings) -> None:
    """On one connection, as psycopg would run them without our second try: not one of them may be stale."""
    async with open_connection_pool(own) as pool, pool.connection() as connection:
        image_id = uuid4()
        await connection.execute(ADD_BARE_IMAGE, [image_id])
        connection.prepared_max = None  # all of them at once, which no process runs: psycopg 3.3.9 keeps 100
        for _ in range(PREPARED):
            await run_all(connection, image_id)
        prepared = await (await connection.execute("SELECT count(*) AS number FROM pg_prepared_statements")).fetchone()
        assert prepared
        assert prepared["number"] >= len(WHOLE)

        tables = [row["tablename"] for row in await (await connection.execute(TABLES)).fetchall()]
        assert {"images", "renditions", "outbox", "events", "dead_letters", "queue_messages"} <= set(tables)
        await asyncio.to_thread(add_a_column_to_each, connection_string(own), tables)

        await run_all(connection, image_id)


WHOLE = {name: text for name, text in statements().items() if name not in FRAGMENTS | OF_MIGRATE}
KEPT = {"REMOVE_IMAGE"}
"""Statements that would take the row which others need: run for an image that is not there."""


async def run_all(connection: psycopg.AsyncConnection[Any], image_id: object) -> None:
    for name, text in WHOLE.items():
        for own in THEIR_OWN.get(name, [{}]):
            values = {**VALUES, **envelopes(), "fingerprint": uuid4().hex, "key": uuid4().hex, "hash": uuid4().bytes, **own}
            if name not in KEPT:
                values["image_id"] = image_id
            if name.startswith(("ADD_", "REVOKE_")):
                values |= {"id": uuid4(), "name": uuid4().hex, "lane": "fast"}
            try:
                await connection.execute(text, {key: values[key] for key in PLACE.findall(text)})
            except psycopg.Error as error:
                error.add_note(f"statement {name}")
                raise


def add_a_column_to_each(conninfo: str, tables: list[str]) -> None:
    with psycopg.connect(conninfo, autocommit=True) as other:
        for table in tables:
            other.execute(f"ALTER TABLE {table} ADD COLUMN of_the_next_release text NOT NULL DEFAULT 'new'".encode())


@pytest.fixture
async def small(database_settings: DatabaseSettings) -> AsyncIterator[Pool]:
    """A pool of one connection, so that it is the one which has prepared the statement; and a table that may change."""
    async with open_connection_pool(replace(database_settings, pool_size=1)) as pool:
        await PooledSession(pool).run("CREATE TABLE changing (id integer)")
        await PooledSession(pool).run("INSERT INTO changing VALUES (1)")
        yield pool
        await PooledSession(pool).run("DROP TABLE changing")


LOOK: LiteralString = "SELECT changing.* FROM changing"
STALE: dict[str, LiteralString] = {
    "a column is added": "ALTER TABLE changing ADD COLUMN more integer",
    "a column has another type": "ALTER TABLE changing ALTER COLUMN id TYPE bigint",
    "a column is gone": "ALTER TABLE changing ADD COLUMN more integer, DROP COLUMN id",
    "it was dropped": FORGET,
    "its name is another's": "DO $$ BEGIN FOR i IN 0..9 LOOP EXECUTE format('PREPARE _pg3_%s AS SELECT 1', i); END LOOP; END $$",
}


async def become_stale(pool: Pool, session: PooledSession, how: str) -> None:
    """The changes of the table are another session's: psycopg forgets all that it has prepared when it runs one itself."""
    for _ in range(1 if how == "its name is another's" else PREPARED):
        assert await session.rows(LOOK) == [{"id": 1}]
    if STALE[how].startswith("DO"):
        await session.run(STALE[how])
    else:
        async with await psycopg.AsyncConnection.connect(str(pool.conninfo), autocommit=True) as other:
            await other.execute(STALE[how])


@pytest.mark.parametrize("how", STALE)
async def test_a_stale_statement_is_run_once_more(small: Pool, how: str) -> None:
    session = PooledSession(small)
    await become_stale(small, session, how)

    for _ in range(PREPARED + 1):
        assert len(await session.rows(LOOK)) == 1
        await session.run(LOOK)


@pytest.mark.parametrize("how", ["a column is added", "it was dropped"])
@pytest.mark.parametrize("wanted", [True, False])
async def test_in_a_transaction_it_is_raised_and_nothing_is_done(small: Pool, how: str, *, wanted: bool) -> None:
    """Whether or not somebody waits for its rows, and so at whatever statement the pipeline tells it."""

    async def work() -> None:
        async with transaction(small) as session:
            await session.run("INSERT INTO changing (id) VALUES (2)")
            await (session.rows(LOOK) if wanted else session.run(LOOK))
            await session.rows("SELECT 1")

    await become_stale(small, PooledSession(small), how)

    with pytest.raises(StaleStatement):
        await work()

    async with transaction(small) as session:
        assert len(await session.rows(LOOK)) == 1, "on a connection that has prepared nothing"


async def test_a_statement_that_postgres_can_not_run_is_a_bug_of_ours(small: Pool) -> None:
    """It has the same SQLSTATE, and would be run again and again."""
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        await PooledSession(small).rows("SELECT count(*) FROM changing FOR UPDATE")


async def on_every_connection(pool: Pool, statement: LiteralString) -> None:
    async with AsyncExitStack() as held:
        for _ in range(pool.max_size):
            connection = await held.enter_async_context(pool.connection())
            await connection.execute(statement)


async def test_a_stale_statement_fails_no_picture(service: Service, pool: Pool) -> None:
    """Every connection of the worker's pool has lost what it had prepared; each attempt that meets one gives its try back."""
    for _ in range(PREPARED):
        await service.process(await service.upload(pictures.jpeg()))
    image_id = await service.upload(pictures.jpeg())
    await on_every_connection(pool, FORGET)

    image = await service.process(image_id)

    assert (image.status, image.renditions[0].attempts) == (Status.PROCESSED, 1)
    await on_every_connection(pool, "DEALLOCATE ALL")  # which psycopg notices: other tests have the same pool
