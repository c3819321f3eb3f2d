"""Every named statement finds its rows by an index, as PostgreSQL plans it for a service that has worked for long.

Looked at as it is planned at first, for its values, and as what PostgreSQL settles on when it has run the prepared statement some
times. No plan may read a large table from end to end. Statements are found in the packages: a new one is looked at without
anybody's doing, unless it is an exception below.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, LiteralString, cast
from uuid import uuid4

import psycopg
import pytest
from psycopg.sql import SQL, Composable, Literal
from psycopg.types.json import Jsonb

import internal.postgres
import internal.queue
import internal.repository
from bench.seed_rows import seed_rows
from internal.domain.events import EventType, new_event
from internal.domain.keys import RESULT_KEY, attempt_keys
from internal.postgres.migrations import migrate
from internal.repository.events import event_parameters
from internal.settings.loader import load_settings
from tests.services.databases import own_database
from tests.services.kinds import PostgresService

IMAGES, EACH = 8_000, 2

SETTLED_AFTER = 8
"""PostgreSQL plans a prepared statement five times for its values; then it may take one plan for all."""

STATEMENT = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM)\b")
PLACE = re.compile(r"%\((\w+)\)s")

FRAGMENTS = {
    "COUNT_UPLOAD",
    "UNLESS_TOO_MUCH",
    "DERIVE_STATUS",
    "FINISH_IMAGE",
    "RECORD_EVENTS",
    "DEAD_LETTER_ENTRIES",
    "REFERRED",
    "IMAGE_COLUMNS",
    "MARK_REMOVED",
    "TAGS",
    "VIRTUAL_TIME",
}
"""Parts of statements, looked at in each that continues them."""

NO_TABLE_OF_OURS = {"PING", "CHECK_SCHEMA", "READ_DATABASE_HEALTH"}
"""They ask whether the server answers, its catalogue for our columns, and its statistics."""

OF_MIGRATE = {
    "HOLDERS",
    "INVALID_INDEX",
    "HIDDEN",
    "TABLE",
    "MAY_CREATE_SCHEMA",
    "OLD_CODE_IS_CONNECTED",
    "MOVED_TABLES",
    "MOVED_FUNCTIONS",
    "LOOK_INTO",
}
"""Asked by `migrate`, or once a connection, of PostgreSQL's catalogue."""

READS_ALL = {
    "PURGE_UPLOAD_BUCKETS": "once a minute; a bucket is there for as long as its client has used some of its limit",
    "READ_BACKLOG_STATS": "counts what waits, in tables and parts of tables that are short while the service keeps up",
    "COUNT": "the metrics' lag: how many messages are in the queue, all of one channel's",
    "READ_COUNTS": "the end of a recount: one row an owner, all of them",
    "POSITIONS": "how far the queue is: its first message of one channel, asked for while renditions are overdue",
}
"""Statements that may read a table from end to end, and why: only those in COUNTED."""

COUNTED = {"outbox", "queue_messages", "unreferenced_objects", "dead_letters", "upload_buckets", "owner_usage"}

LARGE = {
    "images",
    "renditions",
    "events",
    "idempotency_keys",
    "uploads",
    "audit_entries",
    "api_keys",
    "owners",
    "revoked_tokens",
    "usage_changes",
} | COUNTED

OWN_PLANS = {
    "CASCADE": "DELETE FROM ONLY renditions WHERE image_id = %(image_id)s",
}
"""What PostgreSQL runs by itself: a deleted image takes its renditions with it."""


def envelopes() -> dict[str, Any]:
    """New events for statements with RECORD_EVENTS, by the names of their parameters."""
    of = [new_event(EventType.IMAGE_UPLOADED, uuid4(), "anonymous") for _ in range(4)]
    return event_parameters(announce=True, event=of[0], completed=of[1], failed=of[2], envelopes=of[3:])


TEXTS = (
    *(
        "action",
        "actor",
        "client",
        "code",
        "content_type",
        "detail",
        "dominant_colour",
        "fingerprint",
        "filename",
        "key",
        "lane",
        "media_type",
        "name",
    ),
    *(
        "notifications",
        "original_key",
        "pipeline",
        "processing",
        "rendition",
        "request_id",
        "route",
        "sha256",
        "source",
        "jti",
        "target",
        "thumbhash",
        "type",
    ),
)
VALUES: dict[str, Any] = {
    **dict.fromkeys(("id", "image_id", "holder", "consumer_id", "after", "after_id", "worker_id"), uuid4()),
    **dict.fromkeys(("after_time", "created_after", "created_before"), datetime(2026, 11, 1, tzinfo=UTC)),
    **dict.fromkeys(
        ("generation", "attempts", "frames", "released", "height", "max_attempts", "orientation", "size", "width"), 1
    ),
    **dict.fromkeys(("delay", "grace", "intent", "lease", "older", "seconds", "since", "use_seconds"), 60.0),
    **dict.fromkeys(("alternatives", "details", "headers", "renditions", "tasks"), Jsonb([])),
    **dict.fromkeys(("answer", "body"), b"{}"),
    **dict.fromkeys(("uploads", "uploads_allowed", "uploads_rate", "bytes", "bytes_allowed", "bytes_rate"), 1.0),
    **dict.fromkeys(TEXTS, "text"),
    **envelopes(),
    "before": 150,
    "channel": "fast",
    "days": 30,
    "ids": [uuid4()],
    "keys": attempt_keys(RESULT_KEY % (uuid4(), uuid4(), 1)),
    "metadata": "{}",
    **dict.fromkeys(("quota_bytes", "quota_images", "quota_queued")),
    "weight": 1.0,
    **dict.fromkeys(("more_images", "more_bytes", "more_queued"), 1),
    **dict.fromkeys(("most_images", "most_bytes", "most_queued"), 2**62),
    "limited": False,
    "drift": Jsonb([]),
    "floor": 10_000,
    "in_hand": False,
    "passed": Jsonb({"fast": 10_000, "slow": 0}),
    "limit": 20,  # as small beside these tables as a batch is beside a service's
    "owner": "anonymous",
    "owners": ["anonymous"],
    "result_key": RESULT_KEY,
    "created_at": None,
    "exclude": [],
    "has_alpha": True,
    "key_seconds": 60.0,
    "kind": "url",
    **dict.fromkeys(("expires_at", "issued_before")),
    "issued_at": 1e9,
    "expires_in": 60.0,
    "hash": b"hash",
    "of_owner": "owner-1",
    "options": Jsonb({}),
    "prefix": "imgp_0",
    "prefixes": ["imgp_1", "imgp_2"],
    "received": 0,
    "scopes": ["images:read"],
    "state": "pending",
    "status": "uploaded",
    "tables": ["outbox", "renditions"],
    "visibility": "public",
}
"""What a statement is given under these names, where THEIR_OWN says nothing else."""

BY_NUMBER = ("FIND_DEAD_LETTER", "REMOVE_DEAD_LETTERS", "REMOVE_MESSAGES", "POSTPONE_MESSAGES", "RENEW", "ACKNOWLEDGE", "RELEASE")
NUMBERED = {"id": 1, "ids": [1, 2]}
PAGE: dict[str, Any] = dict.fromkeys(("after_time", "after_id", "status", "created_after", "created_before"))
THEIR_OWN: dict[str, list[dict[str, Any]]] = {
    **{name: [NUMBERED] for name in BY_NUMBER},
    "PAGE_OF_IMAGES": [
        PAGE,
        {**PAGE, "status": "processing"},
        {**PAGE, "status": "pending"},
        {**PAGE, "after_time": VALUES["after_time"], "after_id": uuid4()},
        {**PAGE, "created_before": VALUES["created_before"]},
    ],
    "REMOVE_OWNERS_KEYS": [{"owner": "one of many"}],
    "PAGE_OF_AUDIT": [{"before": None, "target": None}, {"before": uuid4(), "target": None}, {"before": None}],
    "PAGE_OF_API_KEYS": [
        {"before": None, "of_owner": None},
        {"before": uuid4(), "of_owner": None},
        {"before": None},
        {"before": uuid4()},
    ],
    "PAGE_OF_REVOKED_TOKENS": [{"before": None}, {"before": uuid4()}],
    "PAGE_OF_DEAD_LETTERS": [{"before": None, "code": None}, {}],
    "PAGE_OF_REFERENCES": [{"after": None}, {}],
    "PAGE_OF_USAGE": [{"after": ""}, {"after": "owner-5000"}],
    "COUNT_PAGE": [{"after": None}, {}],
    "RETRY_RENDITIONS": [{"name": None}, {}],
    "OVERDUE_TASKS": [{"since": 1e9}, {"seconds": 600.0, "since": 1e9}],
    "CLAIM_RENDITION": [{"in_hand": True}, {"in_hand": False}, {"in_hand": False, "floor": 0}],
    "PURGE_DEAD_LETTERS": [{"after": 0, "days": 90}, {"after": 5000, "days": 90}],
    "PURGE_KEYS": [{"seconds": 86_400.0, "since": 1e9}, {"seconds": 86_400.0, "since": 86_500.0}],
    "CLAIM_MESSAGES": [{"since": 1e9}, {"since": 12.0}],
    "CLAIM": [{"since": 1e9, "after": 0}, {"since": 12.0, "after": 9_000}, {"since": 12.0, "after": 0, "channel": "slow"}],
    "NEXT_OVERDUE_OBJECT": [{"since": 1e9}, {"since": 72.0}],
    "TAKE_EXPIRED_UPLOAD": [{"since": 1e9}, {"since": 12.0}],
    "STALLED_RENDITIONS": [{"since": 1e9}, {"since": 12.0}],
    "OVERDUE_LANES": [{"since": 1e9}, {"since": 72.0}],
}
"""A dictionary for each way of calling."""

FILL_WAITING = (
    # One picture in a hundred waits or is under way; some of it overdue or abandoned, most of it not.
    """
    WITH taken AS (SELECT id, row_number() OVER () AS number FROM renditions WHERE status = 'processed' AND random() < 0.01)
    UPDATE renditions SET status = CASE WHEN number % 2 = 0 THEN 'uploaded' ELSE 'processing' END,
                          due_at = now() - number % 70 * interval '1 s',
                          start_tag = number * 1000, finish_tag = number * 1000 + 1000, tag_owner = 'anonymous',
                          lease_until = now() + (number % 60 - 3) * interval '0.1 s'
      FROM taken WHERE renditions.id = taken.id
    """,
    "UPDATE images SET status = 'processing' WHERE id IN (SELECT image_id FROM renditions WHERE status = 'processing')",
    # What is due later is spread over an hour: else more and more of it would be due while the tests run.
    """
    INSERT INTO outbox (channel, type, key, body, due_at)
    SELECT 'fast', 'process_image', 'key', '{}', now() + (number % 50 - 2) * interval '72 s'
      FROM generate_series(1, 20000) AS number
    """,
    """
    INSERT INTO queue_messages (channel, type, key, body, lease_until)
    SELECT CASE WHEN number % 20 = 0 THEN 'slow' ELSE 'fast' END, 'process_image', 'key', '{}',
           CASE WHEN number % 100 = 0 THEN now() + interval '10 s' ELSE '-infinity' END FROM generate_series(1, 10000) AS number
    """,
    """
    INSERT INTO unreferenced_objects (key, deadline)
    SELECT 'originals/' || number, now() + (number % 600) * interval '6 s' FROM generate_series(1, 10000) AS number
    """,
    """
    INSERT INTO uploads (id, owner, kind, state, key, options, expires_at, created_at)
    SELECT gen_random_uuid(), CASE WHEN number % 2 = 0 THEN 'anonymous' ELSE 'somebody else' END, 'url', 'pending',
           'originals/upload-' || number, '{}', now() + (number - 5) * interval '10 s', now() - number * interval '10 s'
      FROM generate_series(1, 8000) AS number
    """,
    """
    INSERT INTO dead_letters (image_id, rendition, code, detail, source, attempts, body)
    SELECT gen_random_uuid(), 'default', 'unavailable', 'It went away.', 'queue_messages/1', 5, '{}'
      FROM generate_series(1, 10000)
    """,
    """
    INSERT INTO idempotency_keys (owner, route, key, lease_until, holder, created_at)
    SELECT 'anonymous', 'POST /images', 'waiting-' || number, now(), gen_random_uuid(), now() - number * interval '5 s'
      FROM generate_series(1, 20000) AS number
    """,
    """
    INSERT INTO upload_buckets (client, uploads, upload_bytes, counted_at, empty_at)
    SELECT 'owner:' || number, 1, 1, now(), now() + (number % 600 - 30) * interval '6 s' FROM generate_series(1, 10000) AS number
    """,
    """
    INSERT INTO audit_entries (id, actor, action, target)
    SELECT gen_random_uuid(), 'key:1', 'key.created', number::text FROM generate_series(1, 10000) AS number
    """,
    "INSERT INTO owners (owner) SELECT 'owner-' || number FROM generate_series(1, 10000) AS number",
    """
    INSERT INTO api_keys (id, name, owner, scopes, prefix, hash)
    SELECT gen_random_uuid(), '', 'owner-' || number % 1000, '{images:read}', 'imgp_' || number, number::text::bytea
      FROM generate_series(1, 10000) AS number
    """,
    "INSERT INTO owner_usage SELECT 'owner-' || number, 1, 1, 0 FROM generate_series(1, 10000) AS number",
    # Some of it is not folded yet.
    """
    INSERT INTO usage_changes (transaction_id, owner, image_id, images)
    SELECT (pg_current_xact_id()::text::bigint - number / 10)::text::xid8, 'anonymous', gen_random_uuid(), 1
      FROM generate_series(1, 2000) AS number
    """,
    "UPDATE usage_state SET folded_below = (pg_current_xact_id()::text::bigint - 20)::text::xid8",
    """
    INSERT INTO revoked_tokens (id, jti, owner, issued_before, expires_at)
    SELECT gen_random_uuid(), CASE WHEN number % 2 = 0 THEN 'jti-' || number END,
           CASE WHEN number % 2 = 1 THEN 'owner-' || number END, CASE WHEN number % 2 = 1 THEN now() END,
           now() + (number - 10) * interval '10 s'
      FROM generate_series(1, 10000) AS number
    """,
    "ANALYZE",
)


def statements() -> dict[str, LiteralString]:
    """Every text in the packages that holds an SQL statement, by its name."""
    found: dict[str, LiteralString] = {}
    for package in (internal.repository, internal.postgres, internal.queue):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for name, value in vars(importlib.import_module(module.name)).items():
                if name.isupper() and isinstance(value, str) and STATEMENT.search(value):
                    assert found.setdefault(name, value) == value, f"two statements are called {name}"
    return found


PLANNED = {name: text for name, text in statements().items() if name not in FRAGMENTS | NO_TABLE_OF_OURS | OF_MIGRATE} | OWN_PLANS


@pytest.fixture(scope="module")
def filled(postgres: PostgresService) -> Iterator[psycopg.Connection]:
    """A connection to a database with many rows, most of them of pictures that are done with."""
    with own_database(postgres) as own:
        values = {"HOST": own.host, "PORT": str(own.port), "USER": own.user, "PASSWORD": own.password, "NAME": own.database}
        migrate(load_settings({f"DB_{name}": value for name, value in values.items()}).database)
        seed_rows(own.conninfo, IMAGES, each=EACH)
        with psycopg.connect(own.conninfo, autocommit=True) as connection:
            for statement in FILL_WAITING:
                connection.execute(statement.encode())
            yield connection


@pytest.mark.parametrize("name", sorted(PLANNED))
def test_a_statement_uses_its_indexes(name: str, filled: psycopg.Connection) -> None:
    allowed = COUNTED if name in READS_ALL else set()

    read = {
        f"{table} {when} for {own}" for own, when, plan in plans(name, filled) for table in read_whole(plan) & LARGE - allowed
    }

    assert read == set()


def test_every_index_is_used_or_keeps_a_rule(filled: psycopg.Connection) -> None:
    """An index that nothing reads by is written all the same, with each row."""
    used = {index for name in PLANNED for _, _, plan in plans(name, filled) for index in indexes(plan)}
    free = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisunique AND indrelid = ANY (%s::regclass[])"

    assert {row[0] for row in filled.execute(free, [sorted(LARGE)])} - used == set()


def test_a_further_page_of_images_begins_at_its_place(filled: psycopg.Connection) -> None:
    values = {**VALUES, **PAGE, "after_time": VALUES["after_time"], "after_id": uuid4()}

    plan = settled(filled, PLANNED["PAGE_OF_IMAGES"], values)

    assert any("ROW(created_at, id) < " in condition for condition in index_conditions(plan))


def test_every_exception_is_a_statement() -> None:
    assert FRAGMENTS | NO_TABLE_OF_OURS | OF_MIGRATE | READS_ALL.keys() | THEIR_OWN.keys() <= statements().keys()


def test_a_plan_without_an_index_is_seen(filled: psycopg.Connection) -> None:
    plan = at_first(filled, "SELECT count(*) FROM renditions r JOIN images i ON i.id = r.image_id WHERE r.size = 1", {})

    assert "renditions" in read_whole(plan)


def plans(name: str, connection: psycopg.Connection) -> Iterator[tuple[dict[str, Any], str, dict[str, Any]]]:
    """For each way of calling: the values of its own, when it was planned, and how."""
    for own in THEIR_OWN.get(name, [{}]):
        values = {**VALUES, **own}
        yield own, "at first", at_first(connection, PLANNED[name], values)
        yield own, "later", settled(connection, PLANNED[name], values)


def at_first(connection: psycopg.Connection, text: LiteralString, values: dict[str, Any]) -> dict[str, Any]:
    return explained(connection, SQL(text), {name: values[name] for name in PLACE.findall(text)})


def settled(connection: psycopg.Connection, text: LiteralString, values: dict[str, Any]) -> dict[str, Any]:
    """The plan of the prepared statement after SETTLED_AFTER runs, of which EXPLAIN does all but the last step."""
    names = list(dict.fromkeys(PLACE.findall(text)))
    numbered = PLACE.sub(lambda place: f"${names.index(place[1]) + 1}", text)
    given = SQL("({})").format(SQL(", ").join(Literal(values[name]) for name in names)) if names else SQL("")
    connection.execute(f"PREPARE looked_at AS {numbered}".encode())
    try:
        for _ in range(SETTLED_AFTER):
            plan = explained(connection, SQL("EXECUTE looked_at") + given)
    finally:
        connection.execute("DEALLOCATE looked_at")
    return plan


def explained(connection: psycopg.Connection, statement: Composable, values: dict[str, Any] | None = None) -> dict[str, Any]:
    row = connection.execute(SQL("EXPLAIN (FORMAT JSON) ") + statement, values).fetchone()
    assert row is not None
    return cast("dict[str, Any]", row[0][0]["Plan"])


def read_whole(plan: dict[str, Any]) -> set[str]:
    """The tables that a plan reads from end to end, also in the order of an index in which it looks for nothing."""
    whole = plan["Node Type"] == "Seq Scan" or (
        plan["Node Type"] == "Index Scan" and {"Index Cond", "Filter"} & plan.keys() == {"Filter"}
    )
    own = {plan["Relation Name"]} if whole else set()
    return own.union(*(read_whole(part) for part in plan.get("Plans", ())))


def indexes(plan: dict[str, Any]) -> Iterator[str]:
    if "Index Name" in plan:
        yield plan["Index Name"]
    for part in plan.get("Plans", ()):
        yield from indexes(part)


def index_conditions(plan: dict[str, Any]) -> Iterator[str]:
    yield plan.get("Index Cond", "")
    for part in plan.get("Plans", ()):
        yield from index_conditions(part)
