"""The settings of MinIO, or of another S3-compatible store."""

from typing import Annotated, NamedTuple

from msgspec import Struct

from internal.runtime.secret import NO_SECRET, Secret
from internal.runtime.section import SettingsError, env


class AccessKey(NamedTuple):
    """A key of an S3 store."""

    access: str
    secret: Secret

    def reveal(self) -> tuple[str, str]:
        """Both parts, for the client that needs them."""
        return self.access, self.secret.reveal()


class MinioSettings(Struct, frozen=True, forbid_unknown_fields=True):
    host: Annotated[str, env("MINIO_HOST", "Host of MinIO or of another S3-compatible store.")]
    port: Annotated[int, env("MINIO_PORT", "Port of the store.", ge=1, le=65535)]
    access_key: Annotated[str, env("MINIO_ACCESS_KEY", "Access key of API and worker. Empty: they use MINIO_ROOT_USER.")]
    secret_key: Annotated[Secret, env("MINIO_SECRET_KEY", "Secret key that belongs to MINIO_ACCESS_KEY.")]
    root_user: Annotated[
        str,
        env(
            "MINIO_ROOT_USER",
            "Root user of MinIO. Only migrate needs it, to create the bucket and the account of MINIO_ACCESS_KEY.",
        ),
    ]
    root_password: Annotated[Secret, env("MINIO_ROOT_PASSWORD", "Password of the root user.")]
    secure: Annotated[bool, env("MINIO_SSL", "Connect to the store with TLS.")]
    bucket: Annotated[str, env("S3_BUCKET_NAME", "Bucket for all objects. migrate creates it.", min_length=3)]
    region: Annotated[str, env("S3_LOCATION", "Region of the bucket.", min_length=1)]
    threads: Annotated[
        int, env("MINIO_THREADS", "Threads of one process that call the store: its calls at the same time.", ge=1, le=256)
    ]
    connect_seconds: Annotated[float, env("MINIO_CONNECT_SECONDS", "Time limit for connecting to the store, in seconds.", gt=0)]
    timeout_seconds: Annotated[
        float, env("MINIO_TIMEOUT_SECONDS", "Time limit for the next bytes of the store's answer, in seconds.", gt=0)
    ]

    @property
    def key(self) -> AccessKey:
        """The key that works with objects: the access key, or root's where there is none."""
        return AccessKey(self.access_key, self.secret_key) if self.access_key else self.root or AccessKey("", NO_SECRET)

    @property
    def root(self) -> AccessKey | None:
        """MinIO's root, where it is given: it may make buckets and accounts."""
        return AccessKey(self.root_user, self.root_password) if self.root_user else None

    def validate(self) -> None:
        """The store needs a whole key: there is no default."""
        pairs = (
            ("MINIO_ACCESS_KEY", self.access_key, "MINIO_SECRET_KEY", self.secret_key),
            ("MINIO_ROOT_USER", self.root_user, "MINIO_ROOT_PASSWORD", self.root_password),
        )
        for name, access, secret_name, secret in pairs:
            if access and not secret:
                raise SettingsError(f"{secret_name}: {name} is set, and this is empty")
        if not all(self.key):
            raise SettingsError("MINIO_ACCESS_KEY (minio.access_key): the object store needs a key; there is no default")
