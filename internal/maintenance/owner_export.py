"""Export of an owner's data: every original and result as a file, and a manifest that names them.

    owner.json              whose export this is; written first
    images.jsonl            one line per image: its facts, metadata and renditions, and the file of each
    files/ID/original.jpg
    files/ID/renditions/NAME.webp
    manifest.json           owner, time, totals, the SHA-256 of images.jsonl, and API keys without their secrets; written last

A second run on the same folder writes only files that are missing or different: it continues a run that was killed.
"""

import errno
import hashlib
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from msgspec import Struct

from internal.domain.errors import NotFound, ObjectNotFound, ObjectUnreadable
from internal.domain.image import Image, ListFilter, Original
from internal.domain.rendition import Result
from internal.domain.upload import Upload
from internal.identity.keys import keys_of
from internal.library.lookup import find_image_or_upload
from internal.ports.object_store import ObjectStore
from internal.ports.repository.repository import Repository

PAGE = 100

CHUNK_BYTES = 2**20

EXTENSIONS = {"image/jpeg": "jpg", "image/tiff": "tif"}
"""File name extensions; of other media types the part behind the slash."""


class ExportTotals(Struct):
    """What an export has. `bytes`: of all files; `written`: files that this run wrote; `lost`: those whose object is lost."""

    images: int = 0
    pending: int = 0
    files: int = 0
    bytes: int = 0
    written: int = 0
    lost: list[str] = []


async def owners_images(repository: Repository, owner: str) -> AsyncIterator[Image | Upload]:
    """The owner's images and pending uploads, newest first, in constant memory. One that is added meanwhile may be left out."""
    after = None
    while True:
        page = await repository.images.page(owner, ListFilter(limit=PAGE, after=after))
        for image in page[:PAGE]:
            yield image
        if len(page) <= PAGE:
            return
        after = (page[PAGE - 1].created_at, page[PAGE - 1].id)


async def export_owner(
    repository: Repository, store: ObjectStore, owner: str, folder: Path, *, wrote: Callable[[int], None] = lambda _: None
) -> ExportTotals:
    """Write the owner's data into `folder`, which is created. `wrote` is called with the bytes of each file that is written.

    Images that are uploaded or deleted meanwhile may be left out. A file whose object is lost or damaged is named in `lost`, and
    the others are written all the same. Raises StoreUnavailable, DatabaseUnavailable, and OSError of the folder: FileExistsError
    if it has the export of another owner.
    """
    _claim(folder, owner)
    export = _Export(store, folder, wrote)
    digest = hashlib.sha256()
    with _replaced(folder / "images.jsonl") as lines:
        async for image in owners_images(repository, owner):
            lost = await export.writefiles_of(image)
            if lost and await _is_gone(repository, image):
                shutil.rmtree(folder / _folder_of(image), ignore_errors=True)
                continue
            export.count(image, lost)
            line = msgspec.json.encode(_described(image)) + b"\n"
            digest.update(line)
            lines.write(line)
    totals = msgspec.structs.asdict(export.totals)
    del totals["written"]
    keys = [key async for key in keys_of(repository, owner)]
    manifest = {"owner": owner, "exported_at": datetime.now(UTC), **totals, "images_sha256": digest.hexdigest(), "keys": keys}
    with _replaced(folder / "manifest.json") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
    return export.totals


def _claim(folder: Path, owner: str) -> None:
    """Note whose export the folder has. Another owner's pictures would stay in it, beside a manifest that does not name them."""
    claim, text = folder / "owner.json", msgspec.json.encode(owner) + b"\n"
    if not claim.exists():
        with _replaced(claim) as file:
            file.write(text)
    elif claim.read_bytes() != text:
        raise FileExistsError(errno.EEXIST, "it has the export of another owner: choose another folder", str(folder))


class _Export:
    def __init__(self, store: ObjectStore, folder: Path, wrote: Callable[[int], None]) -> None:
        self._store, self._folder, self._wrote = store, folder, wrote
        self.totals = ExportTotals()

    async def writefiles_of(self, image: Image | Upload) -> list[str]:
        """Write the image's files, unless they are there. Returns the paths of those that could not be had."""
        return [path for path, stored in files_of(image) if not await self._write(path, stored)]

    def count(self, image: Image | Upload, lost: list[str]) -> None:
        files = [stored.size for path, stored in files_of(image) if path not in lost]
        self.totals.images += isinstance(image, Image)
        self.totals.pending += isinstance(image, Upload)
        self.totals.files += len(files)
        self.totals.bytes += sum(files)
        self.totals.lost += lost

    async def _write(self, path: str, stored: Original | Result) -> bool:
        """False if the object is lost or damaged; then there is no file."""
        target = self._folder / path
        if target.is_file() and target.stat().st_size == stored.size and _sha256(target) == stored.sha256:
            return True
        digest = hashlib.sha256()
        try:
            with _replaced(target) as file:
                async with self._store.get(stored.key) as opened:
                    async for chunk in opened.chunks:
                        digest.update(chunk)
                        file.write(chunk)
                if digest.hexdigest() != stored.sha256:
                    raise ObjectUnreadable
        except (ObjectNotFound, ObjectUnreadable):
            return False
        self.totals.written += 1
        self._wrote(stored.size)
        return True


def _folder_of(image: Image | Upload) -> str:
    return f"files/{image.id}"


def files_of(image: Image | Upload) -> Iterator[tuple[str, Original | Result]]:
    """Each file of an image: its path in the export, and the stored object. A pending image has none."""
    if isinstance(image, Upload):
        return
    folder = _folder_of(image)
    yield f"{folder}/original.{_extension(image.original.media_type)}", image.original
    for rendition in image.renditions:
        for result in ([rendition.result] if rendition.result else []) + list(rendition.alternatives):
            yield f"{folder}/renditions/{rendition.name}.{_extension(result.content_type)}", result


def _extension(media_type: str) -> str:
    return EXTENSIONS.get(media_type, media_type.partition("/")[2])


def _described(image: Image | Upload) -> dict[str, Any]:
    """The image as JSON, with its files. Object keys are left out: they mean nothing outside the store."""
    described: dict[str, Any] = {
        "id": image.id,
        "status": image.status,
        "visibility": (image.options if isinstance(image, Upload) else image).visibility,
        "created_at": image.created_at,
        "updated_at": image.updated_at,
        "files": [{"path": path, "size": stored.size, "sha256": stored.sha256} for path, stored in files_of(image)],
    }
    if isinstance(image, Upload):
        asked = {request.name: request.processing for request in image.options.renditions}
        metadata = msgspec.Raw(image.options.metadata.encode())
        return {**described, "filename": image.options.filename, "metadata": metadata, "renditions": asked}
    facts = msgspec.structs.asdict(image.original)
    return {
        **described,
        "metadata": msgspec.Raw(image.metadata.encode()),
        "original": {name: value for name, value in facts.items() if name not in ("key", "animated")},
        "renditions": [
            {
                "name": rendition.name,
                "requested": rendition.processing,
                "processing": rendition.pipeline,
                "status": rendition.status,
                "error": rendition.failure,
                "finished_at": rendition.finished_at,
            }
            for rendition in image.renditions
        ],
    }


async def _is_gone(repository: Repository, image: Image | Upload) -> bool:
    try:
        await find_image_or_upload(repository, image.owner, image.id)
    except NotFound:
        return True
    return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _replaced(target: Path) -> Iterator[BinaryIO]:
    """A new file that takes `target`'s place, durably, when the block ends well. After an error `target` is as it was.

    The folder is created if necessary.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
