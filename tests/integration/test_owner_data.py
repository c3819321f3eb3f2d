"""An owner's data: export and deletion, repeated, killed in the middle, and beside other owners."""

import hashlib
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from internal.domain.errors import NotFound
from internal.domain.identity import ANONYMOUS
from internal.domain.visibility import Visibility
from internal.identity.keys import create_key
from internal.intake.metadata import read_metadata
from internal.library.changes import change_image
from internal.library.lookup import find_image
from internal.maintenance import owner_export
from internal.maintenance.owner_deletion import OwnerDeletion, Receipt
from internal.maintenance.owner_export import ExportTotals, export_owner
from tests import pictures
from tests.integration.service import Service
from tests.integration.test_intake import prepared


async def exported(service: Service, folder: Path, owner: str = ANONYMOUS) -> ExportTotals:
    return await export_owner(service.repository, service.store, owner, folder)


async def deleted(service: Service, owner: str = ANONYMOUS) -> tuple[list[UUID], Receipt]:
    deletion = OwnerDeletion(service.repository, service.store, owner, "imagectl:test", token_seconds=60)
    await deletion.begin()
    images = [image.image async for image in deletion.images()]
    return images, await deletion.finish()


def described(folder: Path) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in (folder / "images.jsonl").read_bytes().splitlines()]


def paths_in(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


async def test_an_export_has_every_file_and_names_it(service: Service, tmp_path: Path) -> None:
    image_id = await service.upload(pictures.jpeg(), "resize:20x20", metadata=read_metadata('{"shelf": 1e2}'))
    await service.process(image_id)
    await change_image(service.repository, ANONYMOUS, image_id, visibility=Visibility.PUBLIC, metadata=None)
    pending = await prepared(service, filename="later.jpg")

    totals = await exported(service, tmp_path / "out")

    assert (totals.images, totals.pending, totals.files, totals.written, totals.lost) == (1, 1, 2, 2, [])
    later, image = sorted(described(tmp_path / "out"), key=lambda line: line["status"])
    assert (later["id"], later["files"], later["filename"]) == (str(pending.id), [], "later.jpg")
    assert (image["id"], image["original"]["filename"]) == (str(image_id), "picture.jpg")
    assert (later["visibility"], image["visibility"]) == ("private", "public")
    for file in image["files"]:
        content = (tmp_path / "out" / file["path"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file["size"], file["sha256"])
    assert (tmp_path / "out" / image["files"][0]["path"]).read_bytes() == pictures.jpeg()
    manifest = msgspec.json.decode((tmp_path / "out" / "manifest.json").read_bytes())
    assert manifest["images_sha256"] == hashlib.sha256((tmp_path / "out" / "images.jsonl").read_bytes()).hexdigest()
    assert (manifest["owner"], manifest["images"], manifest["files"], manifest["bytes"]) == (ANONYMOUS, 1, 2, totals.bytes)


async def test_a_second_export_writes_only_what_is_missing_or_different(service: Service, tmp_path: Path) -> None:
    for _ in range(2):
        await service.upload(pictures.jpeg())
    await exported(service, tmp_path)
    one, other = (tmp_path / line["files"][0]["path"] for line in described(tmp_path))
    one.unlink()
    other.write_bytes(b"x" * other.stat().st_size)
    before = (tmp_path / "images.jsonl").read_bytes()

    again = await exported(service, tmp_path)

    assert (again.files, again.written) == (2, 2)
    assert one.read_bytes() == other.read_bytes() == pictures.jpeg()
    assert (tmp_path / "images.jsonl").read_bytes() == before
    assert (await exported(service, tmp_path)).written == 0


async def test_a_lost_object_is_named_and_the_others_are_written(service: Service, tmp_path: Path) -> None:
    lost, kept = [await service.upload(pictures.jpeg()) for _ in range(2)]
    await service.store.delete((await find_image(service.repository, ANONYMOUS, lost)).original.key)

    totals = await exported(service, tmp_path)

    assert totals.lost == [f"files/{lost}/original.jpg"]
    assert (tmp_path / f"files/{kept}/original.jpg").exists()
    assert not (tmp_path / f"files/{lost}/original.jpg").exists()


async def test_an_image_that_is_deleted_meanwhile_is_left_out(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_id = await service.upload(pictures.jpeg())
    original = (await find_image(service.repository, ANONYMOUS, image_id)).original
    listed = owner_export.owners_images

    async def then_deleted(*of: Any) -> Any:
        async for image in listed(*of):
            await service.delete(image_id)
            await service.store.delete(original.key)
            yield image

    monkeypatch.setattr(owner_export, "owners_images", then_deleted)

    totals = await exported(service, tmp_path)

    assert (totals.images, totals.lost, described(tmp_path)) == (0, [], [])
    assert not (tmp_path / "files" / str(image_id)).exists()


async def test_only_the_owners_images_are_exported(service: Service, tmp_path: Path) -> None:
    await service.upload(pictures.jpeg())

    assert (await exported(service, tmp_path, "somebody else")).images == 0


async def test_a_folder_has_the_export_of_one_owner(service: Service, tmp_path: Path) -> None:
    """Otherwise the first owner's pictures stayed in it, beside a manifest that names the second."""
    await service.upload(pictures.jpeg())
    await exported(service, tmp_path)
    (tmp_path / "manifest.json").unlink()  # as after a kill
    before = paths_in(tmp_path)

    with pytest.raises(FileExistsError, match="another owner"):
        await exported(service, tmp_path, "shop")
    assert paths_in(tmp_path) == before
    assert (await exported(service, tmp_path)).written == 0


async def test_a_deletion_leaves_nothing_and_says_what_there_was(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner_export, "PAGE", 2)
    images = {await service.upload(pictures.jpeg(), key=f"key-{number}") for number in range(5)}
    await service.process(next(iter(images)))
    pending = await prepared(service)

    told, receipt = await deleted(service)

    assert set(told) == images | {pending.id}
    assert (receipt.images, receipt.uploads, receipt.files, receipt.idempotency_keys) == (5, 1, 6, 5)
    assert receipt.objects >= 6
    for table in ("images", "uploads", "renditions", "unreferenced_objects", "idempotency_keys"):
        assert await service.count(table) == 0, table
    assert await service.keys() == set()
    kinds = [entry.action for entry in await service.repository.audit.page(limit=9, target=ANONYMOUS)]
    assert kinds == ["owner.deleted", "token.revoked", "owner.deletion_started"]


async def test_a_deletion_that_was_killed_is_continued(service: Service) -> None:
    images = [await service.upload(pictures.jpeg()) for _ in range(3)]
    killed = OwnerDeletion(service.repository, service.store, ANONYMOUS, "imagectl:test", token_seconds=60)
    await killed.begin()
    first = await anext(killed.images())

    told, receipt = await deleted(service)

    assert {first.image, *told} == set(images)
    assert receipt.images == 2
    assert (await deleted(service))[1].images == 0


async def test_a_deletion_revokes_the_owners_keys_and_an_export_lists_them(service: Service, tmp_path: Path) -> None:
    for owner in (ANONYMOUS, ANONYMOUS, "somebody else"):
        await create_key(service.repository, "imagectl:test", owner=owner, scopes=["images:read"])
    await exported(service, tmp_path)
    assert [key["owner"] for key in msgspec.json.decode((tmp_path / "manifest.json").read_bytes())["keys"]] == [ANONYMOUS] * 2

    _, receipt = await deleted(service)

    assert receipt.keys == 2
    assert [revoked.owner for revoked in await service.repository.revoked_tokens.page(limit=9)] == [ANONYMOUS]
    keys = await service.repository.api_keys.page(limit=9)
    assert {key.owner for key in keys if key.revoked_at is None} == {"somebody else"}
    assert (await deleted(service))[1].keys == 0


async def test_another_owners_images_stay(service: Service) -> None:
    image_id = await service.upload(pictures.jpeg())

    _, receipt = await deleted(service, "somebody else")

    assert receipt.images == 0
    assert (await find_image(service.repository, ANONYMOUS, image_id)).id == image_id
    with pytest.raises(NotFound):
        await find_image(service.repository, "somebody else", image_id)
