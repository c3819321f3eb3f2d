"""MinIO account of API and worker. It may use the objects of one bucket, and nothing else.

It is a MinIO user with its own policy. A MinIO service account would belong to root and end with it: RELEASE.2025-09-07 refuses
its keys as soon as MINIO_ROOT_USER changes.
"""

from functools import partial
from typing import Any

import urllib3
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException, MinioException

from internal.domain.errors import StoreUnavailable
from internal.objectstore.s3.connections import close, connections
from internal.objectstore.s3.settings import AccessKey, MinioSettings
from internal.objectstore.threads import open_threads

BUCKET_ACTIONS = ["s3:ListBucket", "s3:ListBucketMultipartUploads"]
OBJECT_ACTIONS = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
"""Permissions for all calls of bucket.py except `create`. PutObject includes the parts of an upload and its completion."""


async def create_account(settings: MinioSettings) -> None:
    """Create the account of the access key, or update its secret key and its rights.

    Does nothing unless MINIO_ACCESS_KEY and root are both given: other S3 stores have accounts of their own. Safe to repeat
    and to race; no other account is touched. Raises StoreUnavailable.
    """
    if settings.root is None or not settings.access_key or settings.root.access == settings.access_key:
        return
    async with open_threads(1, "minio-account") as threads:
        await threads.run(partial(_create, settings, settings.root))


def _create(settings: MinioSettings, root: AccessKey) -> None:
    http = connections(settings, 1)
    admin = MinioAdmin(
        endpoint=f"{settings.host}:{settings.port}",
        credentials=StaticProvider(*root.reveal()),
        region=settings.region,
        secure=settings.secure,
        http_client=http,
    )
    name = f"image-processor-{settings.bucket}"
    try:
        admin.policy_add(name, policy=policy(settings.bucket))
        admin.user_add(settings.access_key, settings.secret_key.reveal())
        admin.policy_set(name, user=settings.access_key)
    except (MinioAdminException, MinioException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise StoreUnavailable("MinIO can't create the account of MINIO_ACCESS_KEY") from error
    finally:
        close(http)


def policy(bucket: str) -> dict[str, Any]:
    """Return the S3 policy with the minimal rights of the adapter."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": BUCKET_ACTIONS, "Resource": [f"arn:aws:s3:::{bucket}"]},
            {"Effect": "Allow", "Action": OBJECT_ACTIONS, "Resource": [f"arn:aws:s3:::{bucket}/*"]},
        ],
    }
