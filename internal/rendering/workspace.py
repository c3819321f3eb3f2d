"""The files of a task in work: originals, each fetched once for all its renditions, and what one attempt makes of them."""

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
from internal.ports.sandbox import Overlay
from internal.rendering.workshop import Workshop


class Scratch:
    """A folder of one task, made for its first original. Gone at the end, with all that is in it."""

    def __init__(self, parent: Path) -> None:
        self._parent = parent
        self._made: Path | None = None
        self._has_original = False
        self._overlays: dict[str, Overlay] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._made is not None:
            shutil.rmtree(self._made, ignore_errors=True)

    @property
    def _folder(self) -> Path:
        """Raises ScratchUnavailable when it can't be made."""
        if self._made is None:
            with _room():
                self._made = Path(tempfile.mkdtemp(prefix="task-", dir=self._parent))
        return self._made

    @property
    def target(self) -> Path:
        return self._folder / "result"

    @property
    def alternative(self) -> Path:
        return self._folder / "alternative"

    async def original(self, claim: Claim, store: ObjectStore) -> Path:
        """The original as a file, its checksum proven (G6). Raises ObjectNotFound, OriginalDamaged, StoreUnavailable."""
        path = self._folder / "original"
        if not self._has_original:
            await _fetch(store, claim.original_key, claim.original_size, claim.original_sha256, path)
            self._has_original = True
        return path

    async def overlays(self, claim: Claim, references: Sequence[str], workshop: Workshop) -> dict[str, Overlay]:
        """The originals of other images that a pipeline names, by id; they were the owner's when it was asked for.

        Raises InvalidProcessing for one that is gone meanwhile, and as `original` does. What the task's other pipelines name is
        let go: no more lies here than one pipeline needs.
        """
        for idle in self._overlays.keys() - set(references):
            self._overlays.pop(idle).path.unlink(missing_ok=True)
        for reference in references:
            if reference not in self._overlays:
                self._overlays[reference] = await self._overlay(claim.owner, reference, workshop)
        return {reference: self._overlays[reference] for reference in references}

    async def _overlay(self, owner: str, reference: str, workshop: Workshop) -> Overlay:
        image = await workshop.repository.images.find(owner, UUID(reference))
        if image is None:
            raise InvalidProcessing(f"The image {reference} of the watermark is gone.")
        path = self._folder / f"overlay-{image.id}"
        await _fetch(workshop.store, image.original.key, image.original.size, image.original.sha256, path)
        return Overlay(path, image.original.media_type)


async def _fetch(store: ObjectStore, key: str, size: int, sha256: str, path: Path) -> None:
    digest = hashlib.sha256()
    async with store.get(key) as opened:
        if opened.size != size:
            raise OriginalDamaged(f"The stored original has {opened.size:,} bytes; {size:,} were uploaded.")
        with _room(), path.open("wb") as file:  # the folder is in memory: a write is a copy
            async for chunk in opened.chunks:
                digest.update(chunk)
                file.write(chunk)
    if digest.hexdigest() != sha256:
        raise OriginalDamaged


@contextmanager
def _room() -> Iterator[None]:
    """A scratch folder that is full or gone is an outage of ours and no fault of the picture's."""
    try:
        yield
    except OSError as error:
        raise ScratchUnavailable from error
