"""The object store without the service: what a program would do that has nothing but the store. Blocking, for threads.

In a bucket: minio-py, every object in one request. In a folder: the calls that the filesystem adapter makes in its threads, with
its syncs, since a put that does not sync would be compared with a promise that it does not keep.
"""

import io
from pathlib import Path
from typing import Protocol, TypeAlias

import urllib3
from minio import Minio
from msgspec import Struct

from internal.objectstore.folder import Folder, Reading, Writing

ONE_REQUEST_BYTES = 64 * 2**20


class FolderAddress(Struct, frozen=True, tag="folder"):
    """The filesystem adapter's root."""

    path: Path


class BucketAddress(Struct, frozen=True, tag="bucket"):
    """A bucket and how to reach it."""

    host: str
    port: int
    access_key: str
    secret_key: str
    bucket: str
    region: str
    secure: bool


Address: TypeAlias = FolderAddress | BucketAddress


class Straight(Protocol):
    """Get and put, whole objects, each call on its own."""

    def get(self, key: str) -> bytes: ...

    def put(self, key: str, content: bytes) -> None: ...


def open_straight(address: Address, connections: int) -> Straight:
    """`connections`: how many calls there are at once."""
    if isinstance(address, FolderAddress):
        return _InFolder(address)
    return _InBucket(address, connections)


class _InFolder:
    def __init__(self, address: FolderAddress) -> None:
        self._folder = Folder(address.path)

    def get(self, key: str) -> bytes:
        reading = Reading(self._folder, key, None)
        try:
            blocks = [reading.first]
            while reading.left:
                blocks.append(reading.read())
            return b"".join(blocks)
        finally:
            reading.close()

    def put(self, key: str, content: bytes) -> None:
        Writing(self._folder, key).finish(bytearray(content))


class _InBucket:
    def __init__(self, address: BucketAddress, connections: int) -> None:
        self._bucket = address.bucket
        self._client = Minio(
            f"{address.host}:{address.port}",
            address.access_key,
            address.secret_key,
            secure=address.secure,
            region=address.region,
            http_client=urllib3.PoolManager(maxsize=connections),
        )

    def get(self, key: str) -> bytes:
        response = self._client.get_object(self._bucket, key)
        try:
            return response.read()
        finally:
            response.close()
            response.release_conn()

    def put(self, key: str, content: bytes) -> None:
        self._client.put_object(self._bucket, key, io.BytesIO(content), len(content), part_size=ONE_REQUEST_BYTES)
