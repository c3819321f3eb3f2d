"""How objects lie in a folder, and the blocking calls that put them there, read them and take them away.

    <root>/originals/<shard>/<image id>
    <root>/renditions/<shard>/<image id>.<rendition id>.<attempt>
    <root>/tmp/<the object's name>~<random>                          what is still being written
    <root>/store-id                                                  which store this is

A shard is the end of the image's id, which is random where its beginning is the time: 4,096 of them, so that no folder grows
huge. An object is one file right in its shard, so that a put syncs one folder and a delete leaves no empty one behind.
`tmp` also shows that the store is there: without it (a volume that is not mounted) nothing is "not stored", but unavailable. Once
`confirm` has seen the id, its file shows more: another file, or none, is another store, or none. Several processes may share the
folder.
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

BLOCK = 2**20  # bytes that one thread hop writes or reads
KINDS = ("originals", "renditions")
ROTTEN = (errno.EIO, errno.EBADMSG, errno.EUCLEAN)
"""What the kernel says of a file whose place on the disk can't be read, or is not what was written."""
UNREADABLE = (*ROTTEN, errno.EACCES, errno.EPERM, errno.EINVAL, errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)
"""What it says of one object also when somebody put something else in its place, or took our right to read it."""
STALE = 24 * 3600  # seconds after which what lies in tmp is nobody's any more: an upload is limited to minutes


@contextmanager
def _translated(unreadable: tuple[int, ...] = ROTTEN) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise (ObjectUnreadable if error.errno in unreadable else StoreUnavailable) from error


class Folder:
    """Blocking calls on the store's folder. They raise nothing but ObjectNotFound and StoreUnavailable."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._temporary = root / "tmp"
        self._id_file = root / STORE_ID_KEY
        self._confirmed: tuple[int, int, int] | None = None
        self._lasting: set[Path] = set()  # shards whose own entry this process has synced; shards are never removed

    def path(self, key: str) -> Path:
        kind, *ids = key.split("/")
        return self._root / kind / ids[0][-3:] / ".".join(ids)

    def temporary(self, key: str, random: str) -> Path:
        """Carries the object's name, so that `remove` finds what a killed process left of it."""
        return self._temporary / f"{self.path(key).name}~{random}"

    @_translated()
    def create(self) -> None:
        """Make what is missing."""
        for folder in (self._temporary, *(self._root / kind for kind in KINDS)):
            _make_lasting(folder)

    @_translated()
    def clean(self) -> None:
        """Remove what processes that died long ago left in tmp."""
        with os.scandir(self._temporary) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # another process cleans too
                    if entry.stat().st_mtime < time.time() - STALE:
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
        """INVARIANT: a folder that is unmounted, emptied or replaced under a running process is noticed by its next call
        (tests/integration/test_store_identity.py::test_a_folder_that_vanishes_is_noticed_by_the_next_call).
        """
        found, file = self._read_id()
        if found != store_id:
            raise WrongStore(found=found)
        self._confirmed = file

    def _read_id(self) -> tuple[UUID | None, tuple[int, int, int] | None]:
        """The id, and what tells its file from every other."""
        try:
            with self._id_file.open() as file:
                return UUID(file.read(64).strip()), _which(os.fstat(file.fileno()))
        except FileNotFoundError:
            self._require_folder()
            return None, None
        except ValueError as error:
            raise WrongStore(f"{STORE_ID_KEY} in the object store holds no id.") from error

    def _require_folder(self) -> None:
        if not self._temporary.is_dir():
            raise StoreMissing from FileNotFoundError(self._temporary)

    def require_same(self) -> None:
        """Raise when the store is not there, or another than was confirmed: one call of the system."""
        if self._confirmed is None:
            self._temporary.stat()
        elif _which(self._id_file.stat()) != self._confirmed:
            raise WrongStore from FileNotFoundError(self._id_file)

    def make_shard(self, shard: Path) -> None:
        """Make a shard's folder so that it survives a power cut, also when another process has only just made it."""
        try:
            shard.mkdir()
        except FileExistsError:
            if shard in self._lasting:
                return
        _sync_folder(shard.parent)
        self._lasting.add(shard)

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
        with self.not_stored():
            return _stored(key, self.path(key).stat())

    @_translated()
    def shards(self) -> list[Path]:
        """Raises when the store is not there at all: unmounted must not look like empty."""
        self.require_same()
        return [shard for kind in KINDS for shard in (self._root / kind).iterdir() if shard.is_dir()]

    @_translated()
    def objects(self, shard: Path) -> list[ObjectInfo]:
        found = []
        for path in shard.iterdir():
            # Not one of ours; deleted since; nothing that can be read, which is for those to tell who miss it.
            with suppress(ValueError, ObjectNotFound, ObjectUnreadable):
                found.append(self.stat(check_key("/".join([shard.parent.name, *path.name.split(".")]))))
        return found

    @_translated()
    def probe(self) -> None:
        self.require_same()
        probe = self._temporary / f"probe~{uuid4().hex}"
        try:
            probe.write_bytes(b"1")  # a byte, since a full disk still makes empty files
        finally:
            probe.unlink(missing_ok=True)

    @contextmanager
    def not_stored(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            self.require_same()  # raises when it is the whole store that is missing
            raise ObjectNotFound from error


class Writing:
    """One put: a temporary file that becomes the object by its rename."""

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
        """Write the last block and make it the object: synced before its rename, and the rename synced before this returns."""
        self.write(block)
        with self._open() as file:
            file.flush()
            os.fsync(file.fileno())
            stored = _stored(self._key, os.fstat(file.fileno()))
        if stored.size != self._size:
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
        return stored

    @_translated()
    def discard(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # a full disk: closing flushes
                self._file.close()
            self._path.unlink(missing_ok=True)


class Reading:
    """One get: the open file, its first block already read. `left` is in bytes.

    INVARIANT: what is no file is not waited for: a pipe in an object's place would keep a thread for ever
    (tests/integration/test_damaged_objects.py::test_what_is_no_file_stops_no_other).
    """

    @_translated(UNREADABLE)
    def __init__(self, folder: Folder, key: str, span: ByteRange | None) -> None:
        with folder.not_stored():
            self._file = open_regular(folder.path(key), follow=True)
        try:
            self.size = os.fstat(self._file.fileno()).st_size
            start, stop = (span.start, min(span.stop, self.size)) if span else (0, self.size)
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
            raise StoreUnavailable  # cut short under our hands
        self.left -= len(block)
        return block

    def close(self) -> None:
        self._file.close()


def _stored(key: str, status: os.stat_result) -> ObjectInfo:
    return ObjectInfo(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))


def _which(status: os.stat_result) -> tuple[int, int, int]:
    """Of a file: which it is, and of when."""
    return status.st_dev, status.st_ino, status.st_mtime_ns


def _make_lasting(folder: Path) -> None:
    """Make a folder, for our eyes only, and those above it that are missing, so that they survive a power cut."""
    if not folder.is_dir():
        _make_lasting(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
