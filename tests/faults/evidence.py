"""State after a run, read from PostgreSQL, the object store and Kafka. It does not use the service's code.

The tables' columns, the store's layout and the topics' headers are repeated here on purpose, so that
the checker reports accidental changes.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import psycopg
from minio import Minio
from minio.error import InvalidResponseError, S3Error
from psycopg.rows import dict_row

from tests.faults.topics import Record, Topics
from tests.services.folders import files_below
from tests.services.uploads import unfinished_uploads

Row = dict[str, Any]

TABLES = {
    **dict.fromkeys(("images", "renditions", "events", "dead_letters", "outbox", "unreferenced_objects"), "*"),
    "owner_usage": "owner, images, bytes, queued",
    "usage_changes": "owner, images, bytes, queued",
    "usage_state": "counted_at",
    "queue_messages": "id, channel, created_at",  # its leases begin at -infinity, which is no time of Python's
}


STORE_ID = "store-id"
"""No picture's object: it says which store this is."""


class Objects(Protocol):
    """The object store, read behind the service's back."""

    def names(self) -> set[str]:
        """All that is there but the store's id, half-written things too."""

    def read(self, key: str) -> bytes | None:
        """The bytes; None when there are none under this key."""

    def unfinished(self) -> list[str]:
        """Keys of uploads in parts that nobody has completed or aborted, as far as `names` does not show them."""


@dataclass(frozen=True)
class FolderObjects:
    """The filesystem adapter's folder: <kind>/<shard>/<id>[.<id>…], and tmp/<name>~<random> for what is being written."""

    root: Path

    def names(self) -> set[str]:
        files = [path.relative_to(self.root).parts for path in files_below(self.root)]
        return {_key_of(parts) for parts in files if not parts[-1].startswith("probe~") and parts != (STORE_ID,)}

    def read(self, key: str) -> bytes | None:
        kind, *ids = key.split("/")
        try:
            return (self.root / kind / ids[0][-3:] / ".".join(ids)).read_bytes()
        except FileNotFoundError:
            return None

    def unfinished(self) -> list[str]:
        return []


def _key_of(parts: tuple[str, ...]) -> str:
    kind, name = parts[0], parts[-1]
    return f"tmp/{name}" if kind == "tmp" else "/".join([kind, *name.split(".")])


@dataclass(frozen=True)
class BucketObjects:
    client: Minio
    bucket: str

    def names(self) -> set[str]:
        return {found.object_name or "" for found in self.client.list_objects(self.bucket, recursive=True)} - {STORE_ID}

    def read(self, key: str) -> bytes | None:
        try:
            response = self.client.get_object(self.bucket, key)
        except (S3Error, InvalidResponseError) as error:  # rclone's media type is not the one that minio-py knows
            if "NoSuchKey" in str(error):
                return None
            raise
        try:
            return response.read()
        finally:
            response.close()
            response.release_conn()

    def unfinished(self, key: str = "") -> list[str]:
        """Of this whole key, or of all: which MinIO tells of what began since it started, and rclone does not tell."""
        return [upload.object_name or "" for upload in unfinished_uploads(self.client, self.bucket, key)]


@dataclass(frozen=True)
class Places:
    """Where a run's traces are; `topics` is None where events and dead letters stay in their tables."""

    conninfo: str
    objects: Objects
    topics: Topics | None = None


@dataclass(frozen=True)
class Evidence:
    """All of it, at one moment of the database's."""

    now: datetime
    tables: dict[str, list[Row]]
    objects: Objects
    keys: set[str]
    unfinished: list[str]
    undone: dict[str, int]
    published_events: list[Record] | None
    published_dead_letters: list[Record] | None

    @cached_property
    def images(self) -> dict[str, Row]:
        return {str(row["id"]): row for row in self.tables["images"]}

    @cached_property
    def renditions(self) -> dict[str, list[Row]]:
        """Of each image that has some."""
        found: dict[str, list[Row]] = {}
        for row in self.tables["renditions"]:
            found.setdefault(str(row["image_id"]), []).append(row)
        return found

    @cached_property
    def listed(self) -> set[str]:
        """What waits for the sweep."""
        return {row["key"] for row in self.tables["unreferenced_objects"]}

    def alternatives(self) -> list[Row]:
        """Second files of renditions, for those that can take a better format: key, sha256 and size of each."""
        return [file for row in self.tables["renditions"] for file in row.get("alternatives") or ()]

    def results(self) -> list[Row]:
        """Every file that a rendition refers to: key, sha256 and size."""
        first = [
            {"key": row["result_key"], "sha256": row["sha256"], "size": row["size"]}
            for row in self.tables["renditions"]
            if row["result_key"] is not None
        ]
        return [*first, *self.alternatives()]

    def originals(self) -> list[Row]:
        return [{"key": row["original_key"], "sha256": row["sha256"], "size": row["size"]} for row in self.tables["images"]]

    def published_event_ids(self) -> set[str] | None:
        if self.published_events is None:
            return None
        return {str(json.loads(record.value)["id"]) for record in self.published_events}


def gather(places: Places) -> Evidence:
    """Read everything. The store comes first: what is written or listed while we read is then no contradiction."""
    keys, unfinished = places.objects.names(), places.objects.unfinished()
    with psycopg.connect(places.conninfo, row_factory=dict_row) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        now = connection.execute("SELECT now() AS now").fetchall()[0]["now"]
        tables = {
            table: connection.execute(f"SELECT {columns} FROM {table}".encode()).fetchall() for table, columns in TABLES.items()
        }
    topics = places.topics
    return Evidence(
        now=now,
        tables=tables,
        objects=places.objects,
        keys=keys,
        unfinished=unfinished,
        undone=topics.undone() if topics else {},
        published_events=topics.read(topics.events) if topics else None,
        published_dead_letters=topics.read(topics.dead_letters) if topics else None,
    )
