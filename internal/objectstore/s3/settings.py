"""The settings of MinIO, or of another S3-compatible store."""

from typing import Annotated, NamedTuple

from msgspec import Struct

from internal.runtime.setting import env


class AccessKey(NamedTuple):
    """A key of an S3 store."""

    access: str
    secret: str


class MinioSettings(Struct, frozen=True, forbid_unknown_fields=True):
    host: Annotated[str, env("MINIO_HOST", "Host of MinIO or another S3-compatible store.")]
    port: Annotated[int, env("MINIO_PORT", "Its port.", ge=1, le=65535)]
    access_key: Annotated[str, env("MINIO_ACCESS_KEY", "Access key of API and worker; empty: MINIO_ROOT_USER's.")]
    secret_key: Annotated[str, env("MINIO_SECRET_KEY", "Its secret key.")]
    root_user: Annotated[
        str, env("MINIO_ROOT_USER", "MinIO's root, for migrate alone: it makes the bucket and the access key's account.")
    ]
    root_password: Annotated[str, env("MINIO_ROOT_PASSWORD", "Its password.")]
    secure: Annotated[bool, env("MINIO_SSL", "Speak TLS to it.")]
    bucket: Annotated[str, env("S3_BUCKET_NAME", "The bucket; migrate creates it.", min_length=3)]
    region: Annotated[str, env("S3_LOCATION", "The bucket's region.", min_length=1)]
    threads: Annotated[int, env("MINIO_THREADS", "Calls to the store at once in one process.", ge=1, le=256)]
    connect_seconds: Annotated[float, env("MINIO_CONNECT_SECONDS", "Longest wait for a connection to it, in seconds.", gt=0)]
    timeout_seconds: Annotated[float, env("MINIO_TIMEOUT_SECONDS", "Longest wait for the store's next bytes, in seconds.", gt=0)]

    @property
    def key(self) -> AccessKey:
        """The key that works with objects: the access key, or root's where there is none."""
        return AccessKey(self.access_key, self.secret_key) if self.access_key else self.root or AccessKey("", "")

    @property
    def root(self) -> AccessKey | None:
        """MinIO's root, where it is given: it may make buckets and accounts."""
        return AccessKey(self.root_user, self.root_password) if self.root_user else None
