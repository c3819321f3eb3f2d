"""How a migration is written, so that it may run beside a service at work: docs/running/upgrade.md."""

import re
from pathlib import Path

import pytest
import sqlparse

from internal.postgres.migrations import MIGRATIONS

FIRST_UNDER_THESE_RULES = 10
"""Older ones have been applied wherever they could hold up anybody."""

FILES = sorted(
    file for file in MIGRATIONS.glob("*.sql") if ".rollback" not in file.name and int(file.name[:4]) >= FIRST_UNDER_THESE_RULES
)

COMMENT = re.compile(r"--.*")
CREATES_TABLE = re.compile(r"\bCREATE TABLE (?:IF NOT EXISTS )?(\w+)", re.IGNORECASE)
BUILDS_INDEX = re.compile(r"\bCREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY IF NOT EXISTS \w+)\w+ ON (?:ONLY )?(\w+)", re.IGNORECASE)
CONCURRENT = re.compile(r"\bCONCURRENTLY\b", re.IGNORECASE)
LONG_UNDER_LOCK = (
    (
        re.compile(r"\bADD (CONSTRAINT \w+ )?(CHECK|FOREIGN KEY)\b(?!.*\bNOT VALID\b)", re.IGNORECASE | re.DOTALL),
        "NOT VALID is missing",
    ),
    (re.compile(r"\bALTER (COLUMN )?\w+ (SET DATA )?TYPE\b", re.IGNORECASE), "a new type may write the whole table anew"),
    (re.compile(r"\bSET NOT NULL\b", re.IGNORECASE), "it reads the whole table under its lock"),
    (re.compile(r"\b(DROP COLUMN|RENAME|DROP TABLE)\b", re.IGNORECASE), "old code may use it"),
)


def faults(text: str) -> list[str]:
    """What of a migration would hold up others, or break old code."""
    sql = COMMENT.sub("", text)
    own = set(CREATES_TABLE.findall(sql))
    found = [f"an index on {table} is not built concurrently" for table in BUILDS_INDEX.findall(sql) if table not in own]
    by_itself = "-- transactional: false" in text
    statements = [statement for statement in sqlparse.split(sql) if statement.strip(" ;\n")]
    if bool(CONCURRENT.search(sql)) != by_itself:
        found.append("CONCURRENTLY and `transactional: false` belong together")
    if by_itself and len(statements) != 1:
        found.append("outside a transaction it must be one statement")
    altered = re.sub(r"CREATE TABLE.*?\n\);", "", sql, flags=re.DOTALL | re.IGNORECASE)
    return found + [why for pattern, why in LONG_UNDER_LOCK if pattern.search(altered)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_migration_runs_beside_a_service_at_work(file: Path) -> None:
    text = file.read_text()
    assert faults(text) == []
    assert file.with_suffix(".rollback.sql").exists()
    assert re.search(r"^-- depends: \d{4}_\w+", text, re.MULTILINE)


BAD = {
    "CREATE INDEX a ON images (b);": "an index on images is not built concurrently",
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS a ON images (b);": "CONCURRENTLY and `transactional: false` belong together",
    "-- transactional: false\nDROP INDEX CONCURRENTLY IF EXISTS a;\nSELECT 1;": "outside a transaction it must be one statement",
    "ALTER TABLE images ADD CONSTRAINT c CHECK (size > 0);": "NOT VALID is missing",
    "ALTER TABLE images ALTER COLUMN size TYPE numeric;": "a new type may write the whole table anew",
    "ALTER TABLE images ALTER COLUMN size SET NOT NULL;": "it reads the whole table under its lock",
    "ALTER TABLE images DROP COLUMN size;": "old code may use it",
}


@pytest.mark.parametrize(("text", "why"), BAD.items())
def test_one_that_would_not_is_seen(text: str, why: str) -> None:
    assert why in faults(text)


@pytest.mark.parametrize(
    "text",
    [
        "ALTER TABLE images ADD COLUMN size_of_it bigint;",
        "CREATE TABLE own (\n    id integer CHECK (id > 0)\n);\nCREATE INDEX by_id ON own (id);",
        "-- transactional: false\nCREATE INDEX CONCURRENTLY IF NOT EXISTS a ON images (b);",
        "ALTER TABLE images ADD CONSTRAINT c CHECK (size > 0) NOT VALID;",
    ],
)
def test_what_is_well_written_passes(text: str) -> None:
    assert faults(text) == []
