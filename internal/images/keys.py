"""Object keys: made of our own ids and of nothing else, here and nowhere else (G8).

originals/<image id>                          as uploaded
renditions/<image id>/<rendition id>/<attempt>  one attempt's result: a stale worker can overwrite nothing (G2)
"""

import re
from uuid import UUID

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_KEY = re.compile(rf"originals/{_UUID}|renditions/{_UUID}/{_UUID}/[1-9][0-9]{{0,9}}")


def original_key(image_id: UUID) -> str:
    return f"originals/{image_id}"


def result_key(image_id: UUID, rendition_id: UUID, attempt: int) -> str:
    return f"renditions/{image_id}/{rendition_id}/{attempt}"


def check_key(key: str) -> str:
    """Return `key`, or raise ValueError when it is not of this file's shape. Every object store calls it before any I/O."""
    if not _KEY.fullmatch(key):
        raise ValueError(f"not an object key: {key!r}")
    return key
