"""Promises of the filesystem adapter only: durability, and cleanup of its temporary folder."""

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from internal.domain.errors import StoredInPart, StoreUnavailable
from internal.domain.keys import original_key
from internal.objectstore.filesystem.folder import STALE_SECONDS
from internal.objectstore.filesystem.store import create_folder, open_filesystem_store
from internal.ports.object_store import IdentifiableStore, ObjectStore
from tests.services.folders import files_below

IMAGE = UUID("0199aaaa-0000-7000-8000-000000000abc")
KEY = original_key(IMAGE)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data" / "objects"


@pytest.fixture
async def store(root: Path) -> AsyncIterator[IdentifiableStore]:
    await create_folder(root)
    async with open_filesystem_store(root) as store:
        yield store


async def content(size: int = 10) -> AsyncIterator[bytes]:
    yield bytes(size)


async def test_an_object_lies_in_the_shard_of_its_id_s_end(store: ObjectStore, root: Path) -> None:
    await store.put(KEY, content(), content_type="image/jpeg")
    await store.put(f"renditions/{IMAGE}/{IMAGE}/7", content(), content_type="image/jpeg")

    assert (root / "originals" / "abc" / str(IMAGE)).is_file()
    assert (root / "renditions" / "abc" / f"{IMAGE}.{IMAGE}.7").is_file()


async def test_a_put_syncs_the_file_before_its_name_and_then_the_folders(
    store: ObjectStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def recorded_fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        happened.append("file" if path.is_file() else str(path.relative_to(root)))
        fsync(descriptor)

    def recorded_rename(path: Path, target: Path) -> Path:
        happened.append("rename")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(Path, "rename", recorded_rename)

    await store.put(KEY, content(), content_type="image/jpeg")
    assert happened == ["file", "originals", "rename", "originals/abc"]

    happened.clear()
    await store.delete(KEY)
    assert happened == ["originals/abc"]


@pytest.mark.parametrize("call", [1, 2, 3])
async def test_a_put_that_cannot_be_synced_leaves_nothing(
    store: ObjectStore, root: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    fsync, calls = os.fsync, 0

    def full(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == call:
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreUnavailable):
        await store.put(KEY, content(), content_type="image/jpeg")

    assert list(files_below(root)) == []


async def test_a_put_that_was_kept_in_part_is_refused_and_leaves_nothing(
    store: ObjectStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def forgetful(descriptor: int) -> None:
        fsync(descriptor)
        if Path(f"/proc/self/fd/{descriptor}").readlink().is_file():
            os.truncate(descriptor, 3)

    monkeypatch.setattr(os, "fsync", forgetful)
    with pytest.raises(StoredInPart):
        await store.put(KEY, content(), content_type="image/jpeg")

    assert list(files_below(root)) == []


async def test_a_file_that_is_cut_short_under_a_reader_never_passes_for_the_whole(store: ObjectStore, root: Path) -> None:
    await store.put(KEY, content(3 * 2**20), content_type="image/jpeg")
    async with store.get(KEY) as opened:
        await anext(opened.chunks)
        os.truncate(root / "originals" / "abc" / str(IMAGE), 2**20)
        with pytest.raises(StoreUnavailable):
            await anext(opened.chunks)


async def test_a_start_removes_what_was_left_over_a_day_ago_and_nothing_else(root: Path) -> None:
    await create_folder(root)
    old, young = root / "tmp" / "old", root / "tmp" / "young"
    for path in (old, young):
        path.touch()
    os.utime(old, (time.time() - STALE_SECONDS - 60,) * 2)

    async with open_filesystem_store(root):
        assert list((root / "tmp").iterdir()) == [young]


async def test_delete_removes_what_a_killed_put_of_the_key_left(store: ObjectStore, root: Path) -> None:
    left, others = root / "tmp" / f"{IMAGE}~1", root / "tmp" / f"{uuid4()}~1"
    for path in (left, others):
        path.touch()

    await store.delete(KEY)

    assert list((root / "tmp").iterdir()) == [others]


async def test_what_is_not_ours_is_no_object(store: ObjectStore, root: Path) -> None:
    await store.put(KEY, content(), content_type="image/jpeg")
    (root / "originals" / "abc" / "README").touch()
    (root / "originals" / "notes").touch()

    assert [stored.key async for stored in store.keys()] == [KEY]  # noqa: SIM118


async def test_the_folder_is_for_our_eyes_only(store: ObjectStore, root: Path) -> None:
    assert os.stat(root).st_mode & 0o077 == 0  # noqa: PTH116  # pathlib's is taken for slow work in async code
