"""The statuses of images and renditions."""

from enum import StrEnum


class Status(StrEnum):
    """Of an image and of a rendition: `uploaded → processing → processed | failed`.

    Only an image is `pending`: it is asked for, and its bytes are not all here.
    """

    PENDING = "pending"
    UPLOADED = "uploaded"
    PROCESSING = "processing"
    PROCESSED = "processed"
    FAILED = "failed"
