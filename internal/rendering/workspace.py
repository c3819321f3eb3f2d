"""The files of one task: each original, fetched once for all renditions, and what an attempt makes of them."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

from internal.domain.errors import InvalidProcessing, OriginalDamaged, ScratchUnavailable
from internal.domain.rendition import Claim
from internal.ports.object_store import ObjectStore
from internal.ports.repository.images import Images
from internal.ports.sandbox import Overlay


class Workspace:
    """A temporary folder in `parent`, made when the first file is needed, and removed at the end of the `with` block."""

    def __init__(self, parent: Path, store: ObjectStore, images: Images) -> None:
        self._parent, self._store, self._images = parent, store, images
        self._created: Path | None = None
        self._has_original = False
        self._overlays: dict[str, Overlay] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._created is not None:
            shutil.rmtree(self._created, ignore_errors=True)

    @property
    def _folder(self) -> Path:
        """Raises ScratchUnavailable when it can't be created."""
        if self._created is None:
            with _as_scratch_unavailable():
                self._created = Path(tempfile.mkdtemp(prefix="task-", dir=self._parent))
        return self._created

    @property
    def result(self) -> Path:
        """Where the decoder writes the result."""
        return self._folder / "result"

    @property
    def alternative(self) -> Path:
        """Where the decoder writes the second file of `format:auto`."""
        return self._folder / "alternative"

    async def fetch_original(self, claim: Claim) -> Path:
        """The original as a file; its checksum is verified (G6). Raises ObjectNotFound, OriginalDamaged, StoreUnavailable."""
        path = self._folder / "original"
        if not self._has_original:
            await self._fetch(claim.original_key, claim.original_size, claim.original_sha256, path)
            self._has_original = True
        return path

    async def fetch_overlays(self, owner: str, references: Sequence[str]) -> dict[str, Overlay]:
        """The originals of other images of the owner's that a pipeline names, by image id.

        Raises InvalidProcessing if one was deleted meanwhile, and the errors of `fetch_original`. Files of the task's earlier
        pipelines are removed first, so that the folder holds no more than one pipeline needs.
        """
        for unused in self._overlays.keys() - set(references):
            self._overlays.pop(unused).path.unlink(missing_ok=True)
        for reference in references:
            if reference not in self._overlays:
                self._overlays[reference] = await self._fetch_overlay(owner, reference)
        return {reference: self._overlays[reference] for reference in references}

    async def _fetch_overlay(self, owner: str, reference: str) -> Overlay:
        image = await self._images.find(owner, UUID(reference))
        if image is None:
            raise InvalidProcessing(f"The image {reference} of the watermark is gone.")
        path = self._folder / f"overlay-{image.id}"
        await self._fetch(image.original.key, image.original.size, image.original.sha256, path)
        return Overlay(path, image.original.media_type)

    async def _fetch(self, key: str, size: int, sha256: str, path: Path) -> None:
        digest = hashlib.sha256()
        async with self._store.get(key) as stream:
            if stream.size != size:
                raise OriginalDamaged(f"The stored original has {stream.size:,} bytes; {size:,} were uploaded.")
            with _as_scratch_unavailable(), path.open("wb") as file:  # the folder is in memory: a write is a copy
                async for chunk in stream.chunks:
                    digest.update(chunk)
                    file.write(chunk)
        if digest.hexdigest() != sha256:
            raise OriginalDamaged


@contextmanager
def _as_scratch_unavailable() -> Iterator[None]:
    """A folder that is full or gone is an outage of the worker's, and no fault of the picture."""
    try:
        yield
    except OSError as error:
        raise ScratchUnavailable from error
