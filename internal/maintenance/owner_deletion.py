"""Deletion of all that an owner has: images and uploads as by DELETE, then what else bears the owner's name.

It may be run again at any time: a run that was killed is continued by the next.
"""

from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from internal.domain.audit import new_entry
from internal.domain.errors import NotFound
from internal.domain.ids import new_id
from internal.domain.image import Image
from internal.domain.revocation import Revocation
from internal.domain.upload import Upload
from internal.identity.keys import keys_of, revoke_key
from internal.identity.tokens.revoke import revoke
from internal.library.delete import delete_image
from internal.limits.clients import client_of_owner
from internal.maintenance.gc import collect_garbage
from internal.maintenance.owner_export import files_of, owners_images
from internal.ports.object_store import ObjectStore
from internal.ports.repository.repository import Repository


class DeletedImage(Struct, frozen=True):
    """One line of the receipt. `files`: its original and results; `bytes`: their size. Both are 0 for a pending upload."""

    image: UUID
    created_at: datetime
    files: int
    bytes: int


class Receipt(Struct):
    """The totals of one run. `keys`: API keys that it revoked; `objects`: those that it deleted from the store, with others that
    were due.
    """

    owner: str
    images: int = 0
    uploads: int = 0
    files: int = 0
    bytes: int = 0
    idempotency_keys: int = 0
    keys: int = 0
    objects: int = 0


class OwnerDeletion:
    """One run. Call `begin()`, iterate over `images()`, then call `finish()`. `token_seconds`: how long a token is valid."""

    def __init__(self, repository: Repository, store: ObjectStore, owner: str, actor: str, *, token_seconds: float) -> None:
        self._repository, self._store, self._actor, self._token_seconds = repository, store, actor, token_seconds
        self.receipt = Receipt(owner)

    async def begin(self) -> None:
        """Record that the deletion begins, and revoke the owner's API keys and tokens, so that nothing new comes in by them."""
        await self._repository.audit.add(new_entry(self._actor, "owner.deletion_started", self.receipt.owner))
        async for key in keys_of(self._repository, self.receipt.owner):
            if key.revoked_at is None:
                await revoke_key(self._repository, self._actor, key.id)
                self.receipt.keys += 1
        tokens = Revocation(new_id(), owner=self.receipt.owner)
        await revoke(self._repository, tokens, actor=self._actor, seconds=self._token_seconds)

    async def images(self) -> AsyncIterator[DeletedImage]:
        """Delete the images and pending uploads, each in a transaction of its own with its event, until there is none."""
        owner, found = self.receipt.owner, True
        while found:
            found = False
            async for image in owners_images(self._repository, owner):
                try:
                    await delete_image(self._repository, owner, image.id)
                except NotFound:  # deleted by somebody else meanwhile
                    continue
                found = True
                yield self._count(image)

    async def finish(self) -> Receipt:
        """Remove the owner's other rows and record the totals, in one transaction; then delete the objects that are due."""
        owner, receipt = self.receipt.owner, self.receipt
        async with self._repository.transaction() as work:
            receipt.idempotency_keys += await work.idempotency.remove_of(owner)
            await work.upload_buckets.remove(client_of_owner(owner))
            totals = {
                name: getattr(receipt, name) for name in ("images", "uploads", "files", "bytes", "idempotency_keys", "keys")
            }
            await work.audit.add(new_entry(self._actor, "owner.deleted", owner, **totals))
        while batch := await collect_garbage(self._repository, self._store, overdue_seconds=0):
            receipt.objects += batch
        return receipt

    def _count(self, image: Image | Upload) -> DeletedImage:
        stored = [file for _, file in files_of(image)]
        size = sum(file.size for file in stored)
        self.receipt.images += isinstance(image, Image)
        self.receipt.uploads += isinstance(image, Upload)
        self.receipt.files += len(stored)
        self.receipt.bytes += size
        return DeletedImage(image.id, image.created_at, len(stored), size)
