"""Object keys: made of our own ids and of nothing else, here and nowhere else (G8).

originals/<image id>                                    as uploaded by a form
originals/<id of its own>                               as uploaded by another door: a new id each time the bytes come
renditions/<image id>/<rendition id>/<generation>       one attempt's result, so that a stale worker can overwrite nothing (G2)
renditions/<image id>/<rendition id>/<generation>-webp  its second file, by its format: `-webp` or `-avif`
store-id                                                the store's own id: no put, delete or listing reaches it
"""

import re
from uuid import UUID

STORE_ID_KEY = "store-id"

RESULT_KEY = "renditions/%s/%s/%s"
"""Of image, rendition and generation, in Python and in SQL's format() alike: the claim's statement makes and lists the key."""

MODERN = ("webp", "avif")
"""The types of a second file."""

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_KEY = re.compile(rf"originals/{_UUID}|renditions/{_UUID}/{_UUID}/[1-9][0-9]{{0,9}}(?:-(?:{'|'.join(MODERN)}))?")


def original_key(image_id: UUID) -> str:
    return f"originals/{image_id}"


def result_key(image_id: UUID, rendition_id: UUID, generation: int) -> str:
    return RESULT_KEY % (image_id, rendition_id, generation)


def alternative_key(result: str, content_type: str) -> str:
    """The key of the second file beside `result`. Raises ValueError for a type that is none of a second file."""
    return check_key(f"{result}-{content_type.removeprefix('image/')}")


def attempt_keys(result: str) -> list[str]:
    """Every key that the attempt with this result's key may write to."""
    return [result, *(f"{result}-{name}" for name in MODERN)]


def check_key(key: str) -> str:
    """Return `key`, or raise ValueError when it is not of this file's shape. Every object store calls it before any I/O."""
    if not _KEY.fullmatch(key):
        raise ValueError(f"not an object key: {key!r}")
    return key
