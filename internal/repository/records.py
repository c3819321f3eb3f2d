"""Rows into the core's nouns, for every table that reads them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from psycopg.rows import DictRow

from internal.domain.image import Image, Original
from internal.domain.rendition import Claim, Failure, Lane, Rendition, Result
from internal.domain.status import Status
from internal.domain.upload import Upload
from internal.domain.visibility import Visibility
from internal.ports.repository.renditions import StalledRendition

COLUMNS = {"generation": "attempt", "attempts": "tries"}
"""Fields of a rendition whose columns keep their first names, so that older code runs on the schema."""


def column(field: str) -> str:
    """The column of `renditions` that holds a field of Rendition, Claim or StalledRendition."""
    return COLUMNS.get(field, field)


CLAIMED = tuple(field for field in Claim.__struct_fields__ if field != "lane")


def claim_from(row: DictRow, lane: Lane) -> Claim:
    return Claim(lane=lane, **{field: row[column(field)] for field in CLAIMED})


def stalled_from(row: DictRow) -> StalledRendition:
    fields = {field: row[column(field)] for field in StalledRendition.__struct_fields__}
    return StalledRendition(**{**fields, "lane": Lane(row["lane"])})


def rendition_from(row: Mapping[str, Any]) -> Rendition:
    """From a row as JSON: ids and times are text in it."""
    return Rendition(
        id=UUID(row["id"]),
        image_id=UUID(row["image_id"]),
        name=row["name"],
        processing=row["processing"],
        pipeline=row["pipeline"],
        lane=Lane(row["lane"]),
        status=Status(row["status"]),
        generation=row[column("generation")],
        attempts=row[column("attempts")],
        failure=Failure(row["error_code"], row["error_detail"]) if row["error_code"] else None,
        result=_result_from(row) if row["result_key"] else None,
        alternatives=tuple(Result(**further) for further in row["alternatives"]),
        finished_at=datetime.fromisoformat(row["finished_at"]) if row["finished_at"] else None,
    )


def _result_from(row: Mapping[str, Any]) -> Result:
    return Result(
        key=row["result_key"],
        sha256=row["sha256"],
        size=row["size"],
        width=row["width"],
        height=row["height"],
        frames=row["frames"],
        content_type=row["content_type"],
    )


def image_from(row: DictRow) -> Image:
    """`row["renditions"]` is a JSON list of rows, so that an image is one statement."""
    return Image(
        id=row["id"],
        owner=row["owner"],
        status=Status(row["status"]),
        original=Original(
            key=row["original_key"],
            media_type=row["media_type"],
            size=row["size"],
            sha256=row["sha256"],
            width=row["width"],
            height=row["height"],
            orientation=row["orientation"],
            filename=row["filename"],
            frames=row["frames"],
            has_alpha=row["has_alpha"],
            dominant_colour=row["dominant_colour"],
            thumbhash=row["thumbhash"],
            animated=row["media_type"] in ("image/gif", "image/webp"),
        ),
        metadata=row["metadata"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        renditions=tuple(rendition_from(rendition) for rendition in row["renditions"] or ()),
        visibility=Visibility(row["visibility"]),
    )


def upload_from(row: DictRow) -> Upload:
    """`row["upload"]` is the upload's row as JSON: its columns are the fields."""
    return msgspec.convert(row["upload"], Upload)
