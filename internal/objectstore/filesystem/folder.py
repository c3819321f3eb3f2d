"""Folder layout of the filesystem store, and the blocking calls that write, read and remove objects.

    <root>/originals/<shard>/<image id>
    <root>/renditions/<shard>/<image id>.<rendition id>.<attempt>
    <root>/tmp/<the object's name>~<random>                          unfinished writes
    <root>/store-id                                                  the store's id

A shard is the end of the image's id, which is random (its beginning is the time). There are 4,096 shards, so that no folder grows
too large. An object is one file in its shard, so a put syncs one folder and a delete leaves no empty folder.
`tmp` shows that the store exists: without it (an unmounted volume) calls raise StoreUnavailable and never ObjectNotFound. After
`confirm`, the id file shows it: if that file is missing or is another file, this is another store. Several processes may share
the folder.
"""

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from uuid import UUID, uuid4

from internal.domain.errors import ObjectNotFound, ObjectUnreadable, StoredInPart, StoreMissing, StoreUnavailable, WrongStore
from internal.domain.keys import STORE_ID_KEY, check_key
from internal.ports.object_store import ByteRange, ObjectInfo
from internal.runtime.regular_file import open_regular

BLOCK = 2**20  # bytes that one call in a thread writes or reads
KINDS = ("originals", "renditions")
DAMAGED = (errno.EIO, errno.EBADMSG, errno.EUCLEAN)
"""The kernel's errors for a file whose blocks on the disk are unreadable or corrupt."""
UNREADABLE = (*DAMAGED, errno.EACCES, errno.EPERM, errno.EINVAL, errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)
"""DAMAGED, and the errors for an object that was replaced by something else or is not readable for this user."""
STALE_SECONDS = 24 * 3600  # age after which a file in tmp is abandoned: an upload is limited to minutes


@contextmanager
def _translated(unreadable: tuple[int, ...] = DAMAGED) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise (ObjectUnreadable if error.errno in unreadable else StoreUnavailable) from error


class Folder:
    """Blocking calls on the store's folder. They raise ObjectNotFound and StoreUnavailable, and no other errors."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._temporary = root / "tmp"
        self._id_file = root / STORE_ID_KEY
        self._confirmed: tuple[int, int, int] | None = None
        self._durable_shards: set[Path] = set()  # shards whose directory entry this process has synced; shards are never removed

    def path(self, key: str) -> Path:
        kind, *ids = key.split("/")
        return self._root / kind / ids[0][-3:] / ".".join(ids)

    def temporary(self, key: str, random: str) -> Path:
        """Return a path for an unfinished write. It has the object's name, so that `remove` finds what a killed process left."""
        return self._temporary / f"{self.path(key).name}~{random}"

    @_translated()
    def create(self) -> None:
        """Create missing folders."""
        for folder in (self._temporary, *(self._root / kind for kind in KINDS)):
            _make_durable(folder)

    @_translated()
    def clean(self) -> None:
        """Remove stale files from tmp, which killed processes left."""
        with os.scandir(self._temporary) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # another process cleans too
                    if entry.stat().st_mtime < time.time() - STALE_SECONDS:
                        Path(entry.path).unlink()

    @_translated()
    def read_id(self) -> UUID | None:
        return self._read_id()[0]

    @_translated()
    def write_id(self, store_id: UUID) -> None:
        self._require_folder()
        path = self._temporary / f"{STORE_ID_KEY}~{uuid4().hex}"
        try:
            with path.open("x") as file:
                file.write(f"{store_id}\n")
                file.flush()
                os.fsync(file.fileno())
            path.rename(self._id_file)
        finally:
            path.unlink(missing_ok=True)
        _sync_folder(self._root)

    @_translated()
    def confirm(self, store_id: UUID) -> None:
        """Raise WrongStore unless the store has this id, and check from then on that the id file stays the same.

        INVARIANT: the next call notices a folder that was unmounted, emptied or replaced under a running process
        (tests/integration/test_store_identity.py::test_a_folder_that_vanishes_is_noticed_by_the_next_call).
        """
        found, file = self._read_id()
        if found != store_id:
            raise WrongStore(found=found)
        self._confirmed = file

    def _read_id(self) -> tuple[UUID | None, tuple[int, int, int] | None]:
        """Return the id and the identity of its file."""
        try:
            with self._id_file.open() as file:
                return UUID(file.read(64).strip()), _file_identity(os.fstat(file.fileno()))
        except FileNotFoundError:
            self._require_folder()
            return None, None
        except ValueError as error:
            raise WrongStore(f"{STORE_ID_KEY} in the object store has no valid id.") from error

    def _require_folder(self) -> None:
        if not self._temporary.is_dir():
            raise StoreMissing from FileNotFoundError(self._temporary)

    def require_same(self) -> None:
        """Raise if the store is missing, or is not the confirmed one. Costs one system call."""
        if self._confirmed is None:
            self._temporary.stat()
        elif _file_identity(self._id_file.stat()) != self._confirmed:
            raise WrongStore from FileNotFoundError(self._id_file)

    def make_shard(self, shard: Path) -> None:
        """Create a shard's folder durably: it survives a power cut, also if another process has just created it."""
        try:
            shard.mkdir()
        except FileExistsError:
            if shard in self._durable_shards:
                return
        _sync_folder(shard.parent)
        self._durable_shards.add(shard)

    @_translated()
    def remove(self, key: str) -> None:
        self.require_same()
        with os.scandir(self._temporary) as entries:
            for entry in entries:
                if entry.name.startswith(f"{self.path(key).name}~"):
                    Path(entry.path).unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            self.path(key).unlink()
            _sync_folder(self.path(key).parent)

    @_translated(UNREADABLE)
    def stat(self, key: str) -> ObjectInfo:
        with self.translate_missing():
            return _object_info(key, self.path(key).stat())

    @_translated()
    def shards(self) -> list[Path]:
        """Return all shards. Raises if the store is missing: an unmounted store must not look empty."""
        self.require_same()
        return [shard for kind in KINDS for shard in (self._root / kind).iterdir() if shard.is_dir()]

    @_translated()
    def objects(self, shard: Path) -> list[ObjectInfo]:
        found = []
        for path in shard.iterdir():
            # A foreign file; deleted meanwhile; unreadable, which `get` reports.
            with suppress(ValueError, ObjectNotFound, ObjectUnreadable):
                found.append(self.stat(check_key("/".join([shard.parent.name, *path.name.split(".")]))))
        return found

    @_translated()
    def probe(self) -> None:
        self.require_same()
        probe = self._temporary / f"probe~{uuid4().hex}"
        try:
            probe.write_bytes(b"1")  # one byte, because a full disk still accepts empty files
        finally:
            probe.unlink(missing_ok=True)

    @contextmanager
    def translate_missing(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            self.require_same()  # raises if the whole store is missing
            raise ObjectNotFound from error


class FileWriter:
    """One put: writes a temporary file, whose rename creates the object."""

    def __init__(self, folder: Folder, key: str) -> None:
        self._folder = folder
        self._key = key
        self._path = folder.temporary(key, uuid4().hex)
        self._size = 0
        self._file: BinaryIO | None = None

    @_translated()
    def write(self, block: bytearray) -> None:
        self._open().write(block)
        self._size += len(block)

    def _open(self) -> BinaryIO:
        if self._file is None:
            self._folder.require_same()
            self._file = self._path.open("xb")
        return self._file

    @_translated()
    def finish(self, block: bytearray) -> ObjectInfo:
        """Write the last block and rename the file. File and rename are synced before this returns."""
        self.write(block)
        with self._open() as file:
            file.flush()
            os.fsync(file.fileno())
            info = _object_info(self._key, os.fstat(file.fileno()))
        if info.size != self._size:
            raise StoredInPart
        target = self._folder.path(self._key)
        self._folder.require_same()
        self._folder.make_shard(target.parent)
        self._path.rename(target)
        try:
            _sync_folder(target.parent)
        except OSError:
            target.unlink(missing_ok=True)
            raise
        return info

    @_translated()
    def discard(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # closing flushes, and the disk may be full
                self._file.close()
            self._path.unlink(missing_ok=True)


class FileReader:
    """One get: an open file whose first block has been read. `left` is in bytes.

    INVARIANT: only regular files are opened; a pipe in an object's place would block a thread forever
    (tests/integration/test_damaged_objects.py::test_a_pipe_in_an_objects_place_stops_no_other).
    """

    @_translated(UNREADABLE)
    def __init__(self, folder: Folder, key: str, byte_range: ByteRange | None) -> None:
        with folder.translate_missing():
            self._file = open_regular(folder.path(key), follow=True)
        try:
            self.size = os.fstat(self._file.fileno()).st_size
            start, stop = (byte_range.start, min(byte_range.stop, self.size)) if byte_range else (0, self.size)
            self.left = max(stop - start, 0)
            self._file.seek(start)
            self.first = self.read() if self.left else b""
        except BaseException:
            self._file.close()
            raise

    @_translated(UNREADABLE)
    def read(self) -> bytes:
        block = self._file.read(min(self.left, BLOCK))
        if not block:
            raise StoreUnavailable  # the file was truncated meanwhile
        self.left -= len(block)
        return block

    def close(self) -> None:
        self._file.close()


def _object_info(key: str, status: os.stat_result) -> ObjectInfo:
    return ObjectInfo(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))


def _file_identity(status: os.stat_result) -> tuple[int, int, int]:
    """Return the identity of a file: device, inode and modification time."""
    return status.st_dev, status.st_ino, status.st_mtime_ns


def _make_durable(folder: Path) -> None:
    """Create a folder with mode 0700, and its missing parents, so that they survive a power cut."""
    if not folder.is_dir():
        _make_durable(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
