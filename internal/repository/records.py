"""Rows into the core's nouns, for every table that reads them."""

from typing import Any

from psycopg.rows import DictRow

from internal.images.model import Failure, Image, Lane, Original, Rendition, Result, Status


def rendition_from(row: DictRow) -> Rendition:
    return Rendition(
        id=row["id"],
        image_id=row["image_id"],
        name=row["name"],
        processing=row["processing"],
        pipeline=row["pipeline"],
        lane=Lane(row["lane"]),
        status=Status(row["status"]),
        attempt=row["attempt"],
        tries=row["tries"],
        failure=Failure(row["error_code"], row["error_detail"]) if row["error_code"] else None,
        result=_result_from(row) if row["result_key"] else None,
        finished_at=row["finished_at"],
    )


def _result_from(row: DictRow) -> Result:
    return Result(
        key=row["result_key"],
        sha256=row["sha256"],
        size=row["size"],
        width=row["width"],
        height=row["height"],
        frames=row["frames"],
        content_type=row["content_type"],
    )


def image_from(row: DictRow, renditions: tuple[Rendition, ...]) -> Image:
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
            filename=row["filename"],
        ),
        metadata=row["metadata"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        renditions=renditions,
    )


def rendition_parameters(rendition: Rendition) -> dict[str, Any]:
    """What an INSERT of a rendition needs; all else has its default."""
    return {
        "id": rendition.id,
        "image_id": rendition.image_id,
        "name": rendition.name,
        "processing": rendition.processing,
        "pipeline": rendition.pipeline,
        "lane": rendition.lane,
    }
