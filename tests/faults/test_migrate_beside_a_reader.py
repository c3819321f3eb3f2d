"""G6: `migrate` beside a dump. A migration that waits for its lock holds up nobody for longer than a request may take."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx2
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from internal.postgres import migrations
from internal.postgres.settings import DatabaseSettings
from internal.runtime.secret import Secret
from tests.e2e.deployment import IMAGES
from tests.faults.cluster import Cluster
from tests.faults.load import Load
from tests.services.waiting import wait_until

A_READ_MAY_TAKE = 3.0
ROUNDS = 100
TABLES = ("images", "renditions")


@pytest.mark.parametrize("cluster", ["folder"], indirect=True)
def test_reads_go_on(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A column for each of the tables that every request reads, while somebody has them open, as pg_dump does."""
    folder = shutil.copytree(migrations.MIGRATIONS, tmp_path / "migrations")
    for number, table in enumerate(TABLES):
        (folder / f"999{number}_{table}.sql").write_text(f"ALTER TABLE {table} ADD COLUMN of_a_test text;")
    monkeypatch.setattr(migrations, "MIGRATIONS", folder)
    load = Load(lambda: cluster.addresses)
    with (
        cluster.worker(),
        cluster.api(DB_TIMEOUT_SECONDS=A_READ_MAY_TAKE) as api,  # a read that takes longer is a 503
        ThreadPoolExecutor(1) as thread,
        httpx2.Client(base_url=cluster.addresses[0], trust_env=False, timeout=60) as http,
    ):
        load.upload(2)
        with closing(psycopg.connect(cluster.places.conninfo)) as reader:
            reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            reader.execute("SELECT count(*) FROM images, renditions")
            migrating = thread.submit(migrations.migrate, database(cluster.places.conninfo))
            for _ in range(ROUNDS):
                read_all(http, load.accepted)
            load.upload(2)
            assert not migrating.done()
        wait_until(lambda: read_all(http, load.accepted) and migrating.done(), within=60)
        migrating.result()
        assert "circuit.opened" not in api.said()
        cluster.checked(load)


def database(conninfo: str) -> DatabaseSettings:
    parts = {name: str(value) for name, value in conninfo_to_dict(conninfo).items()}
    return DatabaseSettings(
        parts["host"], int(parts["port"]), parts["user"], Secret(parts["password"]), parts["dbname"], "prefer", 2, 5.0
    )


def read_all(http: httpx2.Client, ids: list[str]) -> bool:
    for path in (IMAGES, *(f"{IMAGES}/{id_}/status" for id_ in ids)):
        assert http.get(path).status_code == 200
    return True
