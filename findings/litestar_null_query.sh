#!/usr/bin/env bash
# Litestar takes the text `null` in a query for None, `0` for a date in 1970, and of a parameter that comes twice the last one
#
# Expected: a query holds texts. `status=null` is no value of an enum, `at=0` is no RFC 3339 time: 400, as `status=lost` and `at=yesterday` are.
# Seen: Litestar 2.25.0 with msgspec 0.22.0, on 2026-11-30: with a handler's parameter of the type `Status | None`, `datetime | None` or
#   `int | None`, `null` (`Null`, `NULL`) is None, as if the parameter had not been sent, and `0` is 1970-01-01. It comes from msgspec's
#   `strict=False`, which Litestar converts queries with. `str | None` keeps the text. `status=failed&status=done` is `done`.
# Why it matters: a filter that a client's template filled in with `null` is no filter, and everything is listed, or deleted.
# Exit code: 0 while that is so, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check litestar==2.25.0 msgspec==0.22.0 httpx==0.28.1
cat > "$folder/seen.py" <<'PYTHON'
import enum
import logging
import sys
from datetime import datetime
from importlib.metadata import version

from litestar import Litestar, get
from litestar.params import FromQuery
from litestar.testing import TestClient

logging.disable()
print("litestar", version("litestar"), "msgspec", version("msgspec"))


class Status(str, enum.Enum):
    FAILED = "failed"
    DONE = "done"


@get("/")
async def listed(
    status: FromQuery[Status | None] = None,
    at: FromQuery[datetime | None] = None,
    limit: FromQuery[int | None] = None,
    name: FromQuery[str | None] = None,
) -> dict[str, object]:
    return {"status": status, "at": at and at.year, "limit": limit, "name": name}


QUERIES = ["status=null", "status=NULL", "at=null", "at=0", "limit=null", "name=null", "status=failed&status=done", "status=lost", "at=yesterday"]
with TestClient(Litestar([listed], openapi_config=None)) as client:
    answers = {query: client.get(f"/?{query}") for query in QUERIES}
seen = {}
for query, answer in answers.items():
    name = query.partition("=")[0]
    seen[query] = answer.json()[name] if answer.status_code == 200 else answer.status_code
    print(f"?{query}: {answer.status_code}", f"{name} is {answer.json()[name]!r}" if answer.status_code == 200 else "")
sys.exit(list(seen.values()) != [None, None, None, 1970, None, "null", "done", 400, 400])
PYTHON
"$folder/venv/bin/python" "$folder/seen.py"
