"""Quotas: what is more than an owner may have is refused, and leaves nothing behind."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from internal.domain.errors import QuotaExceeded
from internal.domain.identity import ANONYMOUS
from internal.domain.message import NO_REQUEST
from internal.domain.owner import NO_QUOTAS, UNLIMITED, Quotas, Usage
from internal.domain.upload import ParsedOptions, UploadKind
from internal.intake.options import UploadOptions
from internal.intake.upload import prepare
from internal.library.renditions import retry_failed
from internal.limits.quotas import EarlyQuotaCheck
from tests.integration.service import FormAtHand, Service
from tests.integration.usage import actual_usage, counted_usage
from tests.pictures import jpeg

PICTURE = jpeg(32, 24)
MANY, ROOM = 24, 5


def with_quotas(service: Service, **quotas: int) -> Service:
    """The same service, with these quotas configured."""
    policy = replace(service.policy, quotas=Quotas(**quotas))
    return Service(msgspec.structs.replace(service.door, policy=policy), service.worker, service.session)


async def set_quotas(service: Service, **quotas: int | None) -> None:
    async with service.repository.transaction() as work:
        await work.owners.save(replace(await work.owners.lock(ANONYMOUS), **quotas))


async def nothing_is_left_of(service: Service, images: int) -> None:
    """Only these images' originals are in the store, and nothing is listed for removal."""
    assert await service.count("images") == images
    assert len(await service.keys()) == images
    assert await service.listed() == set()


@pytest.mark.parametrize(
    ("quotas", "quota", "allowed"),
    [
        ({"images": ROOM}, "images", ROOM),
        ({"bytes": ROOM * len(PICTURE) + len(PICTURE) // 2}, "bytes", ROOM * len(PICTURE) + len(PICTURE) // 2),
        ({"queued": 2 * ROOM + 1}, "queued", 2 * ROOM + 1),
    ],
)
@pytest.mark.parametrize("keyed", [False, True])
async def test_of_many_uploads_at_once_as_many_are_kept_as_there_is_room_for(
    service: Service, quotas: dict[str, int], quota: str, allowed: int, keyed: bool
) -> None:
    limited = with_quotas(service, **quotas)
    chains = {"one": "resize:8x8", "two": "grayscale"}
    uploads = (limited.upload(PICTURE, None, renditions=chains, key=f"key-{number}" if keyed else None) for number in range(MANY))

    ended = await asyncio.gather(*uploads, return_exceptions=True)

    refused = [error for error in ended if isinstance(error, BaseException)]
    assert len(ended) - len(refused) == ROOM
    assert {type(error) for error in refused} == {QuotaExceeded}
    assert {(error.quota, error.allowed) for error in refused if isinstance(error, QuotaExceeded)} == {(quota, allowed)}
    assert await counted_usage(service) == await actual_usage(service) == Usage(ROOM, ROOM * len(PICTURE), 2 * ROOM)
    await nothing_is_left_of(service, ROOM)


async def test_the_refusal_says_what_is_used_of_what_is_allowed(service: Service) -> None:
    await service.upload(PICTURE)

    with pytest.raises(QuotaExceeded) as refused:
        await with_quotas(service, bytes=2 * len(PICTURE) - 1).upload(PICTURE)

    assert (refused.value.quota, refused.value.used, refused.value.allowed) == ("bytes", len(PICTURE), 2 * len(PICTURE) - 1)
    assert refused.value.detail.startswith(f"The owner has {len(PICTURE):,} of {2 * len(PICTURE) - 1:,} bytes")


async def test_the_last_byte_can_be_used(service: Service) -> None:
    limited = with_quotas(service, images=2, bytes=2 * len(PICTURE), queued=2)

    await limited.upload(PICTURE)
    await limited.upload(PICTURE)

    assert await counted_usage(service) == Usage(2, 2 * len(PICTURE), 2)


async def test_an_owners_own_quota_counts_and_none_lifts_the_configured_one(service: Service) -> None:
    limited = with_quotas(service, images=1)
    await limited.upload(PICTURE)
    await set_quotas(service, quota_images=2)
    await limited.upload(PICTURE)
    with pytest.raises(QuotaExceeded):
        await limited.upload(PICTURE)

    await set_quotas(service, quota_images=UNLIMITED)
    await limited.upload(PICTURE)
    await set_quotas(service, quota_images=None)

    with pytest.raises(QuotaExceeded):
        await limited.upload(PICTURE)


async def test_an_owner_may_end_above_and_is_then_refused(service: Service) -> None:
    """An accepted rendition is always made."""
    limited = with_quotas(service, bytes=len(PICTURE) + 1)
    image = await limited.process(await limited.upload(PICTURE))

    assert image.renditions[0].result
    assert (await counted_usage(service)).bytes > len(PICTURE) + 1
    with pytest.raises(QuotaExceeded):
        async with limited.repository.transaction() as work:
            await limited.ask(work, image.id, "more", "grayscale")
    assert len((await service.image(image.id)).renditions) == 1


async def test_the_quota_of_images_refuses_uploads_only(service: Service) -> None:
    image = await service.process(await service.upload(PICTURE))
    await set_quotas(service, quota_images=0)

    async with service.repository.transaction() as work:
        await service.ask(work, image.id, "more", "grayscale")

    assert (await counted_usage(service)).queued == 1


async def test_queued_renditions_bound_what_is_asked_for_once_more(service: Service) -> None:
    broken = (await service.process(await service.upload(jpeg(64, 48)[:-200], None, renditions={"a": "sepia", "b": "blur:1"}))).id
    await set_quotas(service, quota_queued=1)

    with pytest.raises(QuotaExceeded):
        async with service.repository.transaction() as work:
            await retry_failed(work, service.policy, ANONYMOUS, broken, NO_REQUEST)
    assert (await counted_usage(service)).queued == 0

    await set_quotas(service, quota_queued=2)
    async with service.repository.transaction() as work:
        await retry_failed(work, service.policy, ANONYMOUS, broken, NO_REQUEST)
    assert (await counted_usage(service)).queued == 2


async def test_a_stale_rendition_is_regenerated_only_within_the_quota(service: Service) -> None:
    image = await service.process(await service.upload(PICTURE, "preset:small"))
    await service.session.run("UPDATE renditions SET pipeline = 'resize:8x8'")  # as if the preset had changed since
    await set_quotas(service, quota_queued=0)

    with pytest.raises(QuotaExceeded):
        async with service.repository.transaction() as work:
            await service.ask(work, image.id, "default", "preset:small")

    assert (await service.rendition(image.id)).generation == 1


async def test_a_deletion_frees_at_once(service: Service) -> None:
    limited = with_quotas(service, images=1)
    await limited.delete(await limited.upload(PICTURE))

    await limited.upload(PICTURE)


async def test_a_pending_upload_is_refused_when_there_is_no_room(service: Service) -> None:
    limited = with_quotas(service, images=1)
    await limited.upload(PICTURE)

    with pytest.raises(QuotaExceeded):
        async with limited.repository.transaction() as work:
            await prepare(work, ANONYMOUS, UploadKind.TUS, ParsedOptions(), limited.policy)

    assert await service.count("uploads") == 0


class _Unread(FormAtHand):
    """A form whose body must not be read."""

    async def content(self) -> AsyncIterator[bytes]:
        for _ in self._data:
            raise AssertionError
        yield self._data


class _Large(_Unread):
    least_bytes = 1001


@pytest.mark.parametrize(
    ("quotas", "form"), [({"images": 0}, _Unread), ({"queued": 0}, _Unread), ({"bytes": 1000}, _Large), ({"bytes": 0}, _Unread)]
)
async def test_an_upload_without_room_is_refused_before_its_body_is_read(
    service: Service, quotas: dict[str, int], form: type[FormAtHand]
) -> None:
    door = msgspec.structs.replace(service.door, quotas=EarlyQuotaCheck(service.repository, Quotas(**quotas)))

    with pytest.raises(QuotaExceeded):
        await door.accept(ANONYMOUS, form(PICTURE, UploadOptions()), NO_REQUEST, None)


async def test_an_early_refusal_ends_with_a_delete(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("internal.limits.quotas.FRESH_SECONDS", 3600)
    check = EarlyQuotaCheck(service.repository, Quotas(images=1))
    image_id = await service.upload(PICTURE)
    with pytest.raises(QuotaExceeded):
        await check.check(ANONYMOUS, 0)

    await service.delete(image_id)

    await check.check(ANONYMOUS, 0)


async def test_an_answered_request_is_answered_again_above_the_quota(service: Service) -> None:
    kept = await service.upload(PICTURE, key="again")
    quotas = Quotas(images=1)
    limited = with_quotas(service, images=1)
    door: Any = msgspec.structs.replace(limited.door, quotas=EarlyQuotaCheck(service.repository, quotas))
    full = Service(door, service.worker, service.session)

    assert await full.upload(PICTURE, key="again") == kept
    with pytest.raises(QuotaExceeded):
        await full.upload(PICTURE, key="another")
    with pytest.raises(QuotaExceeded):  # the refused key is free
        await full.upload(PICTURE, key="another")


async def test_nobody_waits_for_a_lock_without_a_quota(service: Service) -> None:
    """An owner's uploads wait for each other only where there is a last place to be given."""
    async with service.repository.transaction() as work:
        await work.usage.require(ANONYMOUS, NO_QUOTAS, Usage(images=1))
        assert await advisory_locks(service) == 0
        await work.usage.require(ANONYMOUS, Quotas(images=9), Usage(images=1))
        await work.usage.of(ANONYMOUS)
        assert await advisory_locks(service) == 1


async def advisory_locks(service: Service) -> int:
    rows = await service.session.rows("SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND classid = 28")
    return int(rows[0]["n"])
