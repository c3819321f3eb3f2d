"""MinIO account of API and worker: its rights, and how migrate maintains it. The contract suite runs with it too."""

import asyncio
import json
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from minio import Minio as Client
from minio.commonconfig import CopySource
from minio.error import S3Error
from msgspec.structs import replace

from internal.domain.errors import StoreUnavailable
from internal.objectstore.s3.account import create_account
from internal.objectstore.s3.settings import MinioSettings
from internal.objectstore.s3.store import create_bucket, open_minio_store
from internal.runtime.secret import Secret
from tests.services.accounts import admin_of, as_migrate, require_minio, without_root
from tests.services.kinds import S3Service
from tests.services.reachable import free_port


@pytest.fixture
def root_settings(s3: S3Service, bucket: str) -> Iterator[MinioSettings]:
    """Settings as migrate has them, for an account that is removed afterwards."""
    require_minio(s3)
    settings = as_migrate(s3, bucket)
    yield settings
    admin = admin_of(s3)
    if settings.access_key in json.loads(admin.user_list()):
        admin.user_remove(settings.access_key)


@pytest.fixture
def other_bucket(s3: S3Service) -> Iterator[str]:
    name, client = f"other-{uuid4().hex[:12]}", s3.client()
    client.make_bucket(name)
    client.fput_object(name, "secret", __file__)
    yield name
    client.remove_object(name, "secret")
    client.remove_bucket(name)


def client_of(settings: MinioSettings) -> Client:
    access, secret = settings.key.reveal()
    return Client(f"{settings.host}:{settings.port}", access, secret, secure=settings.secure, region=settings.region)


async def works(settings: MinioSettings) -> bool:
    async with open_minio_store(without_root(settings)) as store:
        try:
            await store.check()
        except StoreUnavailable:
            return False
        return True


async def test_the_account_can_not_touch_another_bucket(root_settings: MinioSettings, other_bucket: str, bucket: str) -> None:
    await create_account(root_settings)
    client = client_of(without_root(root_settings))

    attempts: dict[str, Callable[[], object]] = {
        "look": lambda: client.bucket_exists(other_bucket),
        "list": lambda: list(client.list_objects(other_bucket)),
        "stat": lambda: client.stat_object(other_bucket, "secret"),
        "get": lambda: client.get_object(other_bucket, "secret"),
        "put": lambda: client.fput_object(other_bucket, "more", __file__),
        "delete": lambda: client.remove_object(other_bucket, "secret"),
        "copy": lambda: client.copy_object(bucket, "copied", CopySource(other_bucket, "secret")),
        "upload": lambda: client._create_multipart_upload(other_bucket, "more", {}),
        "make a bucket": lambda: client.make_bucket(f"made-{uuid4().hex[:12]}"),
        "remove its own bucket": lambda: client.remove_bucket(bucket),
        "open its own bucket to all": lambda: client.set_bucket_policy(bucket, "{}"),
    }
    told = {}
    for name, attempt in attempts.items():
        with pytest.raises(S3Error) as refused:
            attempt()
        told[name] = refused.value.code

    assert told == dict.fromkeys(attempts, "AccessDenied")


async def test_the_account_sees_no_other_bucket_and_no_account(
    s3: S3Service, root_settings: MinioSettings, other_bucket: str
) -> None:
    await create_account(root_settings)
    known = replace(s3, access_key=root_settings.access_key, secret_key=root_settings.secret_key.reveal())

    assert [found.name for found in client_of(without_root(root_settings)).list_buckets()] == [root_settings.bucket]
    with pytest.raises(Exception, match="AccessDenied"):
        admin_of(known).user_list()


async def test_migrate_may_make_it_again_and_several_at_once(root_settings: MinioSettings) -> None:
    await create_account(root_settings)
    await asyncio.gather(*(create_account(root_settings) for _ in range(3)))

    assert await works(root_settings)


async def test_a_new_secret_key_replaces_the_old_one(root_settings: MinioSettings) -> None:
    await create_account(root_settings)
    rotated = replace(root_settings, secret_key=Secret(uuid4().hex))

    await create_account(rotated)

    assert await works(rotated)
    assert not await works(root_settings)


async def test_rights_that_it_had_before_are_taken_away(s3: S3Service, root_settings: MinioSettings, other_bucket: str) -> None:
    await create_account(replace(root_settings, bucket=other_bucket))

    await create_account(root_settings)

    assert await works(root_settings)
    assert not await works(replace(root_settings, bucket=other_bucket))


async def test_root_makes_the_bucket_that_the_account_can_not_make(s3: S3Service, root_settings: MinioSettings) -> None:
    settings = replace(root_settings, bucket=f"made-{uuid4().hex[:12]}")
    await create_account(settings)
    with pytest.raises(StoreUnavailable):
        await create_bucket(without_root(settings))

    await create_bucket(settings)

    assert await works(settings)
    s3.client().remove_bucket(settings.bucket)


@pytest.mark.parametrize("given", [{"access_key": ""}, {"root_user": ""}, {"access_key": "root"}])
async def test_nothing_is_asked_for_without_both_keys(s3: S3Service, given: dict[str, str]) -> None:
    """Other S3 stores have no MinIO accounts, and root's own key needs none."""
    full = replace(s3.settings("images"), root_user="root", root_password=Secret("rootroot"), port=free_port())

    await create_account(replace(full, **given))


async def test_an_account_that_is_refused_is_an_outage_that_says_so(root_settings: MinioSettings) -> None:
    with pytest.raises(StoreUnavailable, match="account of MINIO_ACCESS_KEY"):
        await create_account(replace(root_settings, root_password=Secret("not the password")))
