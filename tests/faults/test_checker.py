"""The checker sees what it is there for: a run in which all is well, damaged in one way at a time."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from uuid import uuid4

import confluent_kafka
import msgspec
import psycopg
import pytest
from msgspec import Struct

from tests import pictures
from tests.e2e.deployments import remove_bucket
from tests.faults.checker import check
from tests.faults.cluster import SLOW_STORE
from tests.faults.deployments import open_cluster
from tests.faults.evidence import BucketObjects, Places
from tests.faults.load import Load
from tests.faults.rules import POLICY, Told
from tests.faults.topics import Topics
from tests.services.databases import own_database
from tests.services.kinds import PostgresService, S3Service


class Run(Struct, frozen=True):
    """A run's places and what its clients know. Of two images that were processed, `image` is one; `failed` has failed."""

    places: Places
    told: Told
    image: str
    failed: str
    deleted: str

    def sql(self, statement: str, *values: object) -> None:
        with psycopg.connect(self.places.conninfo, autocommit=True) as connection:
            changed = connection.execute(statement.encode(), values).rowcount
            assert changed, statement

    def key(self, statement: str) -> str:
        with psycopg.connect(self.places.conninfo) as connection:
            return str(connection.execute(statement.encode(), [self.image]).fetchall()[0][0])

    @property
    def original(self) -> str:
        return self.key("SELECT original_key FROM images WHERE id = %s")

    @property
    def result(self) -> str:
        return self.key("SELECT result_key FROM renditions WHERE image_id = %s ORDER BY place LIMIT 1")

    @property
    def bucket(self) -> BucketObjects:
        assert isinstance(self.places.objects, BucketObjects)
        return self.places.objects

    @property
    def topics(self) -> Topics:
        assert self.places.topics
        return self.places.topics

    def put(self, key: str, data: bytes) -> None:
        self.bucket.client.put_object(self.bucket.bucket, key, BytesIO(data), len(data))

    def remove(self, key: str) -> None:
        self.bucket.client.remove_object(self.bucket.bucket, key)

    def spoil(self, key: str) -> None:
        """One byte of it is another."""
        data = bytearray(self.bucket.read(key) or b"")
        data[-1] ^= 1
        self.put(key, bytes(data))

    def tell(self, kind: str, image_id: str, data: str = "{}") -> None:
        statement = "INSERT INTO events (id, type, image_id, owner, data) VALUES (%s, %s, %s, 'anonymous', %s::jsonb)"
        self.sql(statement, uuid4(), kind, image_id, data)

    def alternative(self, key: str, *, there: bool) -> None:
        """A second file of the first rendition: missing, or with other bytes than recorded."""
        if there:
            self.put(key, b"abc")
        self.sql("ALTER TABLE renditions ADD COLUMN IF NOT EXISTS alternatives jsonb NOT NULL DEFAULT '[]'")
        files = msgspec.json.encode([{"key": key, "sha256": "0" * 64, "size": 3}]).decode()
        self.sql("UPDATE renditions SET alternatives = %s::jsonb WHERE image_id = %s AND place = 1", files, self.image)

    def publish_bare(self, topic: str) -> None:
        """A record without headers."""
        producer = confluent_kafka.Producer({"bootstrap.servers": self.topics.brokers})
        producer.produce(topic, b"{}")
        assert producer.flush(30) == 0


@pytest.fixture(scope="module")
def healthy() -> Iterator[Run]:
    """A run on MinIO and Kafka with a bit of everything, in which nothing is wrong."""
    with open_cluster("stack") as cluster:
        load = Load(lambda: cluster.addresses)
        with cluster.worker(ready=False), cluster.api(**SLOW_STORE):
            load.upload(3, at_once=1)
            load.upload(1, data=pictures.cut(pictures.photo_jpeg(400, 300)))
            image, _, deleted, failed = load.accepted
            assert load.delete(deleted) == 200
            cluster.checked(load, bad={failed})
        assert cluster.status(failed) == "failed"
        yield Run(cluster.places, load.told(bad={failed}), image, failed, deleted)


@pytest.fixture
def run(healthy: Run, postgres: PostgresService, s3: S3Service) -> Iterator[Run]:
    """A copy of it, to be damaged."""
    name = f"faults_{uuid4().hex[:12]}"
    template = str(psycopg.conninfo.conninfo_to_dict(healthy.places.conninfo)["dbname"])
    copy = BucketObjects(healthy.bucket.client, name.replace("_", "-"))
    copy.client.make_bucket(copy.bucket)
    with own_database(postgres, template) as database:
        places = Places(database.conninfo, copy, healthy.places.topics)
        damaged = msgspec.structs.replace(healthy, places=places)
        for key in healthy.bucket.names():
            damaged.put(key, healthy.bucket.read(key) or b"")
        yield damaged
        remove_bucket(s3, copy.bucket)


ABSENT = "renditions/absent/absent/1"
REVIVE = """
    INSERT INTO images (id, owner, status, original_key, media_type, size, sha256)
    SELECT %s, owner, status, 'originals/absent', media_type, size, sha256 FROM images WHERE id = %s
"""

DAMAGES: list[tuple[str, Callable[[Run], None]]] = [
    ("nothing_is_lost", lambda run: run.sql("DELETE FROM images WHERE id = %s", run.image)),
    ("nothing_is_lost", lambda run: run.sql("UPDATE images SET status = 'processing' WHERE id = %s", run.image)),
    ("good_pictures_are_processed", lambda run: run.sql("UPDATE images SET status = 'failed' WHERE id = %s", run.image)),
    ("deleted_is_gone", lambda run: run.tell("image.deleted", run.deleted)),
    ("deleted_is_gone", lambda run: run.sql(REVIVE, run.deleted, run.failed)),
    ("one_status", lambda run: run.sql("UPDATE images SET status = 'failed' WHERE id = %s", run.image)),
    ("one_status", lambda run: run.sql("UPDATE images SET status = 'processed' WHERE id = %s", run.failed)),
    (
        "one_published_attempt",
        lambda run: run.sql("UPDATE renditions SET result_key = result_key || '9' WHERE result_key = %s", run.result),
    ),
    ("one_published_attempt", lambda run: run.sql("DELETE FROM events WHERE type = 'rendition.completed'")),
    (
        "one_published_attempt",
        lambda run: run.tell("rendition.completed", run.image, '{"rendition": "small", "attempt": 0}'),
    ),
    ("no_row_without_object", lambda run: run.remove(run.original)),
    ("no_row_without_object", lambda run: run.remove(run.result)),
    ("no_row_without_object", lambda run: run.alternative(ABSENT, there=False)),
    ("no_object_without_row", lambda run: run.put(ABSENT, b"abc")),
    ("no_object_without_row", lambda run: run.sql("INSERT INTO unreferenced_objects VALUES (%s, now())", ABSENT)),
    ("originals_match", lambda run: run.spoil(run.original)),
    ("originals_match", lambda run: run.put(run.original, b"abc")),
    ("results_match", lambda run: run.spoil(run.result)),
    ("results_match", lambda run: run.alternative(ABSENT, there=True)),
    (
        "nothing_is_stuck",
        lambda run: run.sql("UPDATE renditions SET status = 'processing', lease_until = now() - interval '1 min'"),
    ),
    ("nothing_is_stuck", lambda run: run.sql("UPDATE renditions SET status = 'uploaded', due_at = now() - interval '1 min'")),
    ("outbox_is_empty", lambda run: run.sql("INSERT INTO outbox (channel, type, key, body) VALUES ('fast', 't', 'k', '')")),
    (
        "queue_is_empty",
        lambda run: run.sql("INSERT INTO queue_messages (channel, type, key, body) VALUES ('fast', 't', 'k', '')"),
    ),
    ("failures_have_letters", lambda run: run.sql("DELETE FROM dead_letters")),
    ("failures_have_letters", lambda run: run.sql("UPDATE dead_letters SET source = ''")),
    ("letters_are_exported", lambda run: run.sql("UPDATE dead_letters SET source = 'elsewhere/0/1'")),
    ("events_tell_it", lambda run: run.sql("DELETE FROM events WHERE type = 'image.processing.completed'")),
    ("events_tell_it", lambda run: run.sql("DELETE FROM events WHERE type = 'image.uploaded'")),
    ("events_tell_it", lambda run: run.tell("image.processing.completed", run.image)),
    ("events_are_exported", lambda run: run.tell("image.processing.started", run.image)),
    ("usage_is_what_is_there", lambda run: run.sql("UPDATE owner_usage SET bytes = bytes + 1")),
    ("usage_is_what_is_there", lambda run: run.sql("INSERT INTO owner_usage VALUES ('nobody', 1, 0, 0)")),
]


def test_a_copy_of_the_run_is_well(run: Run) -> None:
    assert check(run.places, run.told).broken == set()


def test_before_the_sweep_an_object_need_only_be_listed(run: Run) -> None:
    before = msgspec.structs.replace(run, told=Told(bad=run.told.bad, swept=False))
    run.put(ABSENT, b"abc")
    assert check(before.places, before.told).broken == {"no_object_without_row"}

    run.sql("INSERT INTO unreferenced_objects VALUES (%s, now())", ABSENT)

    assert check(before.places, before.told).broken == set()


def test_a_picture_that_fails_is_good_unless_its_id_is_named(run: Run) -> None:
    """All that is kept of it agrees, and no other rule minds."""
    assert check(run.places, replace(run.told, bad=frozenset())).broken == {"good_pictures_are_processed"}


@pytest.mark.parametrize(("rule", "damage"), DAMAGES, ids=[f"{rule}-{number}" for number, (rule, _) in enumerate(DAMAGES)])
def test_a_damage_is_seen(run: Run, rule: str, damage: Callable[[Run], None]) -> None:
    damage(run)

    verdict = check(run.places, run.told)

    assert rule in verdict.broken, str(verdict)


def test_an_unfinished_upload_is_seen(run: Run, s3: S3Service) -> None:
    if s3.source == "wheels":
        pytest.skip("rclone tells the unfinished uploads of one whole key only")
    run.bucket.client._create_multipart_upload(run.bucket.bucket, ABSENT, {})

    assert check(run.places, run.told).broken == {"no_upload_is_unfinished"}


def test_every_rule_is_broken_once() -> None:
    with_tests_of_their_own = {"no_upload_is_unfinished", "lanes_are_consumed"}
    assert {rule for rule, _ in DAMAGES} | with_tests_of_their_own == {rule.__name__ for rule in POLICY}


def test_what_topics_hold_is_seen(run: Run) -> None:
    """A dead letter without headers, and tasks that nobody has acknowledged. The last one: topics are not copied."""
    run.publish_bare(run.topics.dead_letters)
    assert check(run.places, run.told).broken == {"letters_are_exported"}

    for count, topic in enumerate(run.topics.lanes, start=1):
        run.publish_bare(topic)
        assert sum(run.topics.undone().values()) == count
        assert check(run.places, run.told).broken == {"letters_are_exported", "lanes_are_consumed"}
