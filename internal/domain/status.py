"""The statuses of images and renditions."""

from enum import StrEnum


class Status(StrEnum):
    """Of an image and of a rendition: `uploaded → processing → processed | failed`."""

    UPLOADED = "uploaded"
    PROCESSING = "processing"
    PROCESSED = "processed"
    FAILED = "failed"
