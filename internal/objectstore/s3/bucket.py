"""Blocking calls on one S3 bucket. Only this file imports minio-py's client, and it translates its errors.

It uses minio-py's private multipart calls, because the public `put_object` would hold a thread for a slow client's whole upload.
pyproject.toml pins the version.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import IncompleteRead
from itertools import islice
from typing import Self, cast
from uuid import UUID
from xml.etree.ElementTree import ParseError

import urllib3
from minio import Minio
from minio.datatypes import Part
from minio.error import InvalidResponseError, MinioException, S3Error

from internal.domain.errors import ObjectNotFound, ObjectUnreadable, StoredInPart, StoreMissing, StoreUnavailable, WrongStore
from internal.domain.keys import STORE_ID_KEY, check_key
from internal.objectstore.s3.connections import close, connections
from internal.objectstore.s3.settings import AccessKey, MinioSettings
from internal.ports.object_store import ByteRange, ObjectInfo

BLOCK = 2**20  # bytes that one call in a thread reads
PAGE = 1000  # objects in the response to one listing request
ERROR_OF_CODE = {"NoSuchKey": ObjectNotFound, "NoSuchBucket": StoreMissing}


@contextmanager
def _translated(answered: type[StoreUnavailable] = StoreUnavailable) -> Iterator[None]:
    """Translate errors. `answered` is the error to raise if the server has answered, with an error or with a truncated body."""
    try:
        yield
    except (MinioException, urllib3.exceptions.HTTPError, OSError, ParseError, ValueError) as error:
        raise ERROR_OF_CODE.get(_code(error), answered if _is_answer(error) else StoreUnavailable) from error


def _is_answer(error: Exception) -> bool:
    """True if the server has answered. For an object that is damaged on its disk, MinIO answers as if it were too busy
    (RELEASE.2025-09-07: 503 SlowDownRead), or stops in the middle.
    """
    if isinstance(error, urllib3.exceptions.MaxRetryError):
        return isinstance(error.reason, urllib3.exceptions.ResponseError)
    broken_off = any(isinstance(found, IncompleteRead) for found in error.args)
    return broken_off or isinstance(error, MinioException)


def _code(error: Exception) -> str:
    """Return the S3 error code, or an empty string if it is not an S3 error."""
    if isinstance(error, S3Error):
        return error.code or ""
    if isinstance(error, InvalidResponseError):  # minio-py parses application/xml only, and some servers send another type
        found = re.search("<Code>(.*?)</Code>", str(error))
        return found[1] if found else ""
    return ""


class Bucket:
    """A bucket. Methods raise ObjectNotFound and StoreUnavailable, and no other errors. They are thread-safe.

    Uploads use private methods of minio-py (7.2.20, pinned). The public `put_object` copies each part, and reads the whole stream
    in one call, which would hold a thread for as long as a slow client takes. No public method starts, continues, completes,
    aborts or lists a multipart upload.
    """

    def __init__(self, client: Minio, http: urllib3.PoolManager, name: str) -> None:
        self._client = client
        self._http = http
        self._name = name

    @classmethod
    def at(cls, settings: MinioSettings, *, count: int, key: AccessKey | None = None) -> Self:
        """Connect to the bucket of the settings. `key` replaces the access key of API and worker."""
        http = connections(settings, count)
        access_key, secret_key = (key or settings.key).reveal()
        client = Minio(
            f"{settings.host}:{settings.port}",
            access_key,
            secret_key,
            secure=settings.secure,
            region=settings.region,  # without it, minio-py asks the server
            http_client=http,
        )
        return cls(client, http, settings.bucket)

    def close(self) -> None:
        close(self._http)

    @_translated()
    def create(self, region: str) -> None:
        try:
            if not self._client.bucket_exists(self._name):
                self._client.make_bucket(self._name, region)
        except MinioException as error:
            if _code(error) not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise
            self.check()  # it exists now: another process of ours created it, or it belongs to another account

    @_translated()
    def check(self) -> None:
        if not self._client.bucket_exists(self._name):
            raise StoreMissing

    @_translated()
    def put(self, key: str, content: bytearray, content_type: str) -> None:
        """Store an object in one request. Its headers have length and hash, so the server refuses other content."""
        # The bytearray is sent as it is: bytes would be a second copy of up to one part.
        self._client._put_object(self._name, key, cast("bytes", content), {"Content-Type": content_type})

    @_translated()
    def begin_upload(self, key: str, content_type: str) -> str:
        return self._client._create_multipart_upload(self._name, key, {"Content-Type": content_type})

    @_translated()
    def put_part(self, key: str, upload: str, number: int, part: bytearray) -> str:
        return self._client._upload_part(self._name, key, cast("bytes", part), None, upload, number)

    @_translated()
    def complete_upload(self, key: str, upload: str, etags: list[str], size: int) -> None:
        """Assemble the object, and check that it has `size` bytes: the response does not say."""
        parts = [Part(number, etag) for number, etag in enumerate(etags, start=1)]
        if not self._client._complete_multipart_upload(self._name, key, upload, parts).etag:
            raise StoreUnavailable  # S3 may answer 200 with an error in the body
        try:
            held = self.stat(key).size
        except ObjectNotFound as error:
            raise StoreUnavailable from error
        if held != size:
            self.remove(key)
            raise StoredInPart

    @_translated()
    def abort_upload(self, key: str, upload: str) -> None:
        try:
            self._client._abort_multipart_upload(self._name, key, upload)
        except MinioException as error:
            if _code(error) != "NoSuchUpload":
                raise

    @_translated()
    def remove(self, key: str) -> None:
        """Abort unfinished uploads, then remove the object: an upload that completes meanwhile is removed too."""
        for upload in self._unfinished(key):
            self.abort_upload(key, upload)
        try:
            self._client.remove_object(self._name, key)
        except MinioException as error:
            if _code(error) != "NoSuchKey":
                raise

    def _unfinished(self, key: str) -> list[str]:
        try:
            listed = self._client._list_multipart_uploads(self._name, prefix=key)
        except MinioException as error:
            if _code(error) != "NoSuchUpload":  # rclone answers this if there is none
                raise
            return []
        return [upload.upload_id for upload in listed.uploads if upload.object_name == key and upload.upload_id]

    @_translated()
    def stat(self, key: str) -> ObjectInfo:
        try:
            found = self._client.stat_object(self._name, key)
        except MinioException as error:
            if _code(error) == "NoSuchKey":
                self.check()  # the response has no body: a missing bucket looks the same, and is an outage
            raise
        return ObjectInfo(key, found.size or 0, found.last_modified)

    def read_id(self) -> UUID | None:
        try:
            reader = self.open(STORE_ID_KEY, None)
        except ObjectNotFound:
            return None
        try:
            return UUID(reader.first.decode("ascii").strip())
        except ValueError as error:
            raise WrongStore(f"{STORE_ID_KEY} in the object store has no valid id.") from error
        finally:
            reader.close()

    def write_id(self, store_id: UUID) -> None:
        self.put(STORE_ID_KEY, bytearray(f"{store_id}\n", "ascii"), "text/plain")

    def pages(self) -> Iterator[list[ObjectInfo]]:
        """Yield the objects, one listing request at a time. No page is empty."""
        listing = self._client.list_objects(self._name, recursive=True)
        while True:
            with _translated():
                objects = list(islice(listing, PAGE))
            if not objects:
                return
            page = []
            for found in objects:
                with suppress(ValueError):  # a foreign object
                    page.append(ObjectInfo(check_key(found.object_name or ""), found.size or 0, found.last_modified))
            if page:
                yield page

    @_translated(ObjectUnreadable)
    def open(self, key: str, byte_range: ByteRange | None) -> "ResponseReader":
        """Request the object and read its first block in one call, so a small picture costs one call to a thread."""
        if byte_range is not None and byte_range.start == byte_range.stop:
            return ResponseReader(None, self.stat(key).size, 0)  # HTTP has no empty range
        offset, length = (byte_range.start, byte_range.stop - byte_range.start) if byte_range else (0, 0)
        try:
            response = self._client.get_object(self._name, key, offset, length)
        except MinioException as error:
            if _code(error) != "InvalidRange":
                raise
            return ResponseReader(None, self.stat(key).size, 0)  # the range begins after the end of the object
        try:
            return ResponseReader.of(response, byte_range)
        except BaseException:
            response.close()
            raise


class ResponseReader:
    """One GET. It counts the body's bytes, so that a broken connection never looks like the end. `left` is in bytes."""

    def __init__(self, response: urllib3.BaseHTTPResponse | None, size: int, left: int) -> None:
        self._response = response
        self.size = size
        self.left = left
        self.first = self.read() if left else b""

    @classmethod
    def of(cls, response: urllib3.BaseHTTPResponse, byte_range: ByteRange | None) -> Self:
        left = int(response.headers.get("Content-Length", ""))
        if byte_range is None:
            return cls(response, left, left)
        size = int(response.headers.get("Content-Range", "").rpartition("/")[2])
        if left != min(byte_range.stop, size) - byte_range.start:
            raise StoreUnavailable  # the server sent another range
        return cls(response, size, left)

    @_translated(ObjectUnreadable)
    def read(self) -> bytes:
        block = self._response.read(min(self.left, BLOCK), decode_content=False) if self._response else b""
        if not block:
            raise StoreUnavailable
        self.left -= len(block)
        return block

    def close(self) -> None:
        """Return the connection to the pool if the body was read to its end, else close it."""
        if self._response is not None:
            self._response.close()
            self._response.release_conn()
