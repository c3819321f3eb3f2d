"""Uploads in parts that nobody has completed or aborted: a bucket's listing does not show them."""

from minio import Minio
from minio.datatypes import Upload
from minio.error import InvalidResponseError


def unfinished_uploads(client: Minio, bucket: str, prefix: str) -> list[Upload]:
    """Of all keys that begin with `prefix`; MinIO itself tells those of one whole key only."""
    try:
        return client._list_multipart_uploads(bucket, prefix=prefix).uploads
    except InvalidResponseError as error:
        if "NoSuchUpload" not in str(error):  # rclone's way to say that there is none
            raise
        return []
