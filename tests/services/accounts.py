"""An account of one's own in MinIO, as migrate makes it."""

from uuid import uuid4

import pytest
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException
from msgspec.structs import replace

from internal.objectstore.s3.account import create_account
from internal.objectstore.s3.settings import MinioSettings
from internal.runtime.secret import NO_SECRET, Secret
from tests.services.kinds import S3Service


def require_minio(s3: S3Service) -> None:
    """Skip where the S3 server is another one, which has no accounts that migrate could make."""
    if s3.source == "wheels":
        pytest.skip("rclone has no accounts: they need MinIO, in a container")
    if s3.source == "environment":
        try:
            admin_of(s3).user_list()
        except MinioAdminException as error:
            pytest.skip(f"the S3 server of the environment has no accounts like MinIO's: {error}")


def admin_of(s3: S3Service) -> MinioAdmin:
    """Root's view of the server, behind the back of what is tested."""
    provider = StaticProvider(s3.access_key, s3.secret_key)
    return MinioAdmin(endpoint=f"{s3.host}:{s3.port}", credentials=provider, region="us-east-1", secure=s3.secure)


def as_migrate(s3: S3Service, bucket: str) -> MinioSettings:
    """Settings with root, and with a key that nobody has yet."""
    key = {"access_key": f"account-{uuid4().hex[:12]}", "secret_key": Secret(uuid4().hex)}
    return replace(s3.settings(bucket), root_user=s3.access_key, root_password=Secret(s3.secret_key), **key)


def without_root(settings: MinioSettings) -> MinioSettings:
    """The same as API and worker have them."""
    return replace(settings, root_user="", root_password=NO_SECRET)


async def own_account(s3: S3Service, bucket: str) -> MinioSettings:
    """Make one; returns what API and worker know of it. It goes with the server."""
    require_minio(s3)
    settings = as_migrate(s3, bucket)
    await create_account(settings)
    return without_root(settings)
