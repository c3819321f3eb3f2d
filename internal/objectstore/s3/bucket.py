"""Blocking calls on one S3 bucket; the one file that knows minio-py, and the place where its errors become ours.

minio-py's multipart calls are private, and its `put_object` would hold a thread for a slow client's whole upload; so they are
used here, in this file only, and pyproject.toml pins the version.
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

BLOCK = 2**20  # bytes that one thread hop reads
PAGE = 1000  # objects that one listing request answers
OF_CODE = {"NoSuchKey": ObjectNotFound, "NoSuchBucket": StoreMissing}


@contextmanager
def _translated(answered: type[StoreUnavailable] = StoreUnavailable) -> Iterator[None]:
    """`answered`: what it is when the server has answered, be it with an error or with less than it announced."""
    try:
        yield
    except (MinioException, urllib3.exceptions.HTTPError, OSError, ParseError, ValueError) as error:
        raise OF_CODE.get(_code(error), answered if _is_answer(error) else StoreUnavailable) from error


def _is_answer(error: Exception) -> bool:
    """MinIO says of an object whose bytes are damaged on its disk what it says when it is too busy (RELEASE.2025-09-07: a 503
    SlowDownRead), or breaks off in the middle.
    """
    if isinstance(error, urllib3.exceptions.MaxRetryError):
        return isinstance(error.reason, urllib3.exceptions.ResponseError)
    broken_off = any(isinstance(found, IncompleteRead) for found in error.args)
    return broken_off or isinstance(error, MinioException)


def _code(error: Exception) -> str:
    """S3's name of an error; empty when it is none of S3's."""
    if isinstance(error, S3Error):
        return error.code or ""
    if isinstance(error, InvalidResponseError):  # minio-py reads application/xml only; not all servers send that
        found = re.search("<Code>(.*?)</Code>", str(error))
        return found[1] if found else ""
    return ""


class Bucket:
    """A bucket. Methods raise ObjectNotFound and StoreUnavailable and nothing else; all may be called from several threads.

    Uploads go through private methods of minio-py (7.2.20, pinned). Its public `put_object` copies each part, and reads a whole
    stream in one call, which would hold a thread for as long as a slow client takes; nothing public begins, continues, completes,
    aborts or lists an upload in parts.
    """

    def __init__(self, client: Minio, http: urllib3.PoolManager, name: str) -> None:
        self._client = client
        self._http = http
        self._name = name

    @classmethod
    def at(cls, settings: MinioSettings, *, count: int, key: AccessKey | None = None) -> Self:
        """`key`: another one than API and worker use."""
        http = connections(settings, count)
        access_key, secret_key = key or settings.key
        client = Minio(
            f"{settings.host}:{settings.port}",
            access_key,
            secret_key,
            secure=settings.secure,
            region=settings.region,  # given, or minio-py asks the server for it
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
            self.check()  # somebody was faster: another of us, or a stranger whose bucket we can't use

    @_translated()
    def check(self) -> None:
        if not self._client.bucket_exists(self._name):
            raise StoreMissing

    @_translated()
    def put(self, key: str, content: bytearray, content_type: str) -> None:
        """Its length and its hash are in the request's headers: a server that has received anything else refuses it."""
        # The bytearray goes out as it is: bytes would be a second copy of up to a part.
        self._client._put_object(self._name, key, cast("bytes", content), {"Content-Type": content_type})

    @_translated()
    def begin_upload(self, key: str, content_type: str) -> str:
        return self._client._create_multipart_upload(self._name, key, {"Content-Type": content_type})

    @_translated()
    def put_part(self, key: str, upload: str, number: int, part: bytearray) -> str:
        return self._client._upload_part(self._name, key, cast("bytes", part), None, upload, number)

    @_translated()
    def complete_upload(self, key: str, upload: str, etags: list[str], size: int) -> None:
        """Make the object of its parts, and ask whether it is `size` bytes long: nothing else tells what was made of them."""
        parts = [Part(number, etag) for number, etag in enumerate(etags, start=1)]
        if not self._client._complete_multipart_upload(self._name, key, upload, parts).etag:
            raise StoreUnavailable  # S3 may answer 200 and an error in the body
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
        """Unfinished uploads first: one of them that completes meanwhile is removed with the object."""
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
            if _code(error) != "NoSuchUpload":  # rclone's way to say that there is none
                raise
            return []
        return [upload.upload_id for upload in listed.uploads if upload.object_name == key and upload.upload_id]

    @_translated()
    def stat(self, key: str) -> ObjectInfo:
        try:
            found = self._client.stat_object(self._name, key)
        except MinioException as error:
            if _code(error) == "NoSuchKey":
                self.check()  # the answer has no body: a bucket that is gone looks the same, and is an outage
            raise
        return ObjectInfo(key, found.size or 0, found.last_modified)

    def read_id(self) -> UUID | None:
        try:
            reading = self.open(STORE_ID_KEY, None)
        except ObjectNotFound:
            return None
        try:
            return UUID(reading.first.decode("ascii").strip())
        except ValueError as error:
            raise WrongStore(f"{STORE_ID_KEY} in the object store holds no id.") from error
        finally:
            reading.close()

    def write_id(self, store_id: UUID) -> None:
        self.put(STORE_ID_KEY, bytearray(f"{store_id}\n", "ascii"), "text/plain")

    def pages(self) -> Iterator[list[ObjectInfo]]:
        """The objects, a request's worth at a time; no page is empty."""
        listing = self._client.list_objects(self._name, recursive=True)
        while True:
            with _translated():
                objects = list(islice(listing, PAGE))
            if not objects:
                return
            page = []
            for found in objects:
                with suppress(ValueError):  # not one of ours
                    page.append(ObjectInfo(check_key(found.object_name or ""), found.size or 0, found.last_modified))
            if page:
                yield page

    @_translated(ObjectUnreadable)
    def open(self, key: str, span: ByteRange | None) -> "Reading":
        """Ask for the object and read its first block, in one go: a small picture costs one thread hop."""
        if span is not None and span.start == span.stop:
            return Reading(None, self.stat(key).size, 0)  # HTTP has no empty range
        offset, length = (span.start, span.stop - span.start) if span else (0, 0)
        try:
            response = self._client.get_object(self._name, key, offset, length)
        except MinioException as error:
            if _code(error) != "InvalidRange":
                raise
            return Reading(None, self.stat(key).size, 0)  # it begins past the object's end
        try:
            return Reading.of(response, span)
        except BaseException:
            response.close()
            raise


class Reading:
    """One GET: its body is counted, so that a connection that breaks off never passes for the end. `left` is in bytes."""

    def __init__(self, response: urllib3.BaseHTTPResponse | None, size: int, left: int) -> None:
        self._response = response
        self.size = size
        self.left = left
        self.first = self.read() if left else b""

    @classmethod
    def of(cls, response: urllib3.BaseHTTPResponse, span: ByteRange | None) -> Self:
        left = int(response.headers.get("Content-Length", ""))
        if span is None:
            return cls(response, left, left)
        size = int(response.headers.get("Content-Range", "").rpartition("/")[2])
        if left != min(span.stop, size) - span.start:
            raise StoreUnavailable  # other bytes than those asked for
        return cls(response, size, left)

    @_translated(ObjectUnreadable)
    def read(self) -> bytes:
        block = self._response.read(min(self.left, BLOCK), decode_content=False) if self._response else b""
        if not block:
            raise StoreUnavailable
        self.left -= len(block)
        return block

    def close(self) -> None:
        """Give the connection back to the pool when the body was read to its end, else close it."""
        if self._response is not None:
            self._response.close()
            self._response.release_conn()
