"""The contract of the table of images. What holds for all tables: repository.py."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from internal.domain.events import Event
from internal.domain.image import Image, ListFilter
from internal.domain.message import Channel, Message
from internal.domain.owner import NO_QUOTAS, Quotas
from internal.domain.status import Status
from internal.domain.upload import Upload
from internal.domain.visibility import Visibility
from internal.ports.sandbox import Facts


class ImageLock(Struct, frozen=True):
    """An image whose row this transaction has locked: no other transaction finishes, adds, retries or deletes until it ends."""

    id: UUID
    owner: str
    status: Status


class Images(Protocol):
    async def add(
        self,
        image: Image,
        tasks: Sequence[tuple[Channel, Message]],
        event: Event,
        *,
        created_at: datetime | None = None,
        configured: Quotas = NO_QUOTAS,
    ) -> tuple[datetime, datetime]:
        """Insert the image, its renditions, its tasks and its event, and consume its key in the list of pending objects.

        All or nothing, also outside a transaction (G1). Raises DeadlinePassed if the key is not listed any more (G4), and
        QuotaExceeded if it is more than the owner may have, by what is set for the owner or else `configured`. Returns
        `created_at`, which is now if None is given, and `updated_at`.

        INVARIANT: the last place of a quota is given once
        (tests/integration/test_quotas.py::test_of_many_uploads_at_once_as_many_are_kept_as_there_is_room_for).
        """

    async def find(self, owner: str, image_id: UUID) -> Image | None:
        """The image with its renditions; None also if it is another owner's.

        INVARIANT: nobody sees another owner's image, because the owner is part of every look-up (G8)
        (tests/integration/test_process.py::test_another_owner_sees_and_deletes_nothing).
        """

    async def find_readable(self, owner: str | None, image_id: UUID) -> Image | None:
        """The image with its renditions if it is the owner's or public; with None for the owner only if it is public.

        For its results alone: visibility opens neither the original nor the status.
        """

    async def find_linked(self, image_id: UUID) -> Image | None:
        """The image with its renditions, whoever owns it. Only after a link to it was verified.

        INVARIANT: no other code looks an image up without an owner
        (tests/unit/identity/test_isolation.py::test_only_the_bearer_of_a_link_is_found_an_image_without_an_owner).
        """

    async def page(self, owner: str, wanted: ListFilter) -> tuple[Image | Upload, ...]:
        """At most `wanted.limit + 1` images with their renditions, and pending uploads among them, newest first.

        One more than asked says that there is more.
        """

    async def lock(self, image_id: UUID) -> ImageLock | None:
        """Lock the image's row until the transaction ends; None if there is no such image. Only inside a transaction."""

    async def hold(self, image_id: UUID) -> None:
        """`lock` without its result: the statement is sent with the next call, without a round trip of its own."""

    async def refresh_status(self, image_id: UUID) -> None:
        """Derive the image's status from its renditions, and notify the requests that wait for it. Only under `lock`.

        INVARIANT: two last renditions that finish at once see each other, because each derives under the image's lock
        (tests/integration/test_process.py::test_two_last_renditions_see_each_other).
        """

    async def learn_facts(self, image_id: UUID, facts: Facts) -> None:
        """Store what the decoder found out about the original. Sides and orientation replace those that the upload has read."""

    async def update(self, image_id: UUID, *, visibility: Visibility, metadata: str) -> None:
        """Set these two, and the time of the change. Only under `lock`."""

    async def owned(self, owner: str, image_ids: Sequence[UUID]) -> frozenset[UUID]:
        """Those of `image_ids` that belong to the owner."""

    async def remove(self, image_id: UUID) -> list[str]:
        """Remove the image and its renditions, and return every object key that they referred to. Only under `lock`."""
