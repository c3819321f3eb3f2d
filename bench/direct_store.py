"""Direct access to the object store, without the service, as a baseline for uploads and downloads. Blocking, for threads.

Bucket: minio-py, one request per object. Folder: the calls that the filesystem adapter makes in its threads, including fsync,
since a put without fsync would not keep the same promise.
"""

import io
from pathlib import Path
from typing import Protocol, TypeAlias

import urllib3
from minio import Minio
from msgspec import Struct

from internal.objectstore.filesystem.folder import FileReader, FileWriter, Folder

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


class DirectStore(Protocol):
    """Gets and puts whole objects."""

    def get(self, key: str) -> bytes: ...

    def put(self, key: str, content: bytes) -> None: ...


def open_direct_store(address: Address, connections: int) -> DirectStore:
    """Open the store for `connections` concurrent calls."""
    if isinstance(address, FolderAddress):
        return _InFolder(address)
    return _InBucket(address, connections)


class _InFolder:
    def __init__(self, address: FolderAddress) -> None:
        self._folder = Folder(address.path)

    def get(self, key: str) -> bytes:
        reader = FileReader(self._folder, key, None)
        try:
            blocks = [reader.first]
            while reader.left:
                blocks.append(reader.read())
            return b"".join(blocks)
        finally:
            reader.close()

    def put(self, key: str, content: bytes) -> None:
        FileWriter(self._folder, key).finish(bytearray(content))


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
