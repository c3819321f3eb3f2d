"""The contract of the table of uploads. What holds for all tables: repository.py."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from internal.domain.rates import UploadCost, UploadLevels
from internal.domain.upload import ParsedOptions, Upload, UploadState


class Uploads(Protocol):
    """Uploads that outlive a request: pending images whose bytes are not all here. An expired one is as if it were not there."""

    async def add(self, upload: Upload, *, expires_seconds: float) -> Upload:
        """Insert the upload, to expire in `expires_seconds`; returns it with the times of its row."""

    async def find(self, owner: str, upload_id: UUID) -> Upload | None:
        """The upload; None also when it is another owner's."""

    async def find_readable(self, owner: str | None, upload_id: UUID) -> Upload | None:
        """The upload if it is the owner's, or if its image will be public; with None for the owner only the latter."""

    async def find_linked(self, upload_id: UUID) -> Upload | None:
        """The upload, whoever owns it. Only after a link to its image was verified: `Images.find_linked`."""

    async def lock(self, owner: str, upload_id: UUID) -> Upload | None:
        """`find`, and lock the row until the transaction ends. Only inside a transaction."""

    async def set_options(self, upload_id: UUID, options: ParsedOptions) -> None:
        """Replace the options. Only under `lock`."""

    async def begin(self, upload_id: UUID, key: str, *, expires_seconds: float, key_seconds: float) -> bool:
        """Receive the bytes, from the first one on, under `key`, which is new. Lists it for `key_seconds`, marks the key before.

        False if there is no such upload.
        """

    async def begin_counted(
        self, upload_id: UUID, key: str, cost: UploadCost, *, expires_seconds: float, key_seconds: float
    ) -> UploadLevels | None:
        """`begin`, and take the upload's cost from its client's bucket; returns the levels with it.

        None if it does not fit: then nothing was done. Raises NotFound if there is no such upload.
        """

    async def extend(
        self, upload_id: UUID, key: str, state: UploadState, received: int, *, expires_seconds: float, key_seconds: float
    ) -> bool:
        """Note how many bytes have come, and let the upload expire in `expires_seconds` from now, or later if it would already.

        Lists the object's key as `PendingObjects.reserve` does, for `key_seconds`; a received one at least until the upload
        expires. All or nothing. False if there is no such upload, or if `key` is no longer its key.
        """

    async def take(self, owner: str, upload_id: UUID) -> Upload | None:
        """Remove the upload and return it, as it is now: to one caller only, whose transaction makes the image of it.

        None if it was taken, was deleted, has expired or is another owner's. A rollback puts it back.
        """

    async def remove(self, upload_id: UUID) -> None:
        """Remove the upload, mark its key, and notify the requests that wait for the image. Only under `lock`."""

    async def take_expired(self, *, exclude: Sequence[UUID] = ()) -> Upload | None:
        """Remove the upload that expired first and is not in `exclude`, list its key, and return it; None if there is none.

        Uploads that another transaction has locked are skipped.
        """
