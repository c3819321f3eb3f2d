"""Answers as examples, made by the functions that make the answers.

Functions that return Json give examples by name, as `describe` takes them.
"""

import struct
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from internal.api.openapi.components import Json
from internal.api.requests.cursor import cursor_after
from internal.api.requests.request import EXAMPLE_ID
from internal.api.schemas import ImageBody, LinkBody, MessageBody, PageBody, image_body, image_path
from internal.domain.errors import InvalidImage
from internal.domain.identity import ANONYMOUS
from internal.domain.image import Image, Original
from internal.domain.rendition import Failure, Lane, Rendition, Result
from internal.domain.status import Status
from internal.domain.visibility import Visibility
from internal.pipeline.language.grammar import Grammar

UPLOADED_AT = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
METADATA = {"album": "summer", "tags": ["beach", "evening"]}
THUMBNAIL = {"name": "thumb", "processing": "thumbnail:200|format:webp"}

_GRAMMAR = Grammar(presets={"thumb": "resize:200x200,fit=cover"})


def image(status: Status) -> Any:
    """An image's body as it reads while it is in this status."""
    return _body(stored_image(status))


def two_files() -> Any:
    """A processed image whose rendition is `format:auto`."""
    there = stored_image(Status.PROCESSED)
    auto = _rendition(Status.PROCESSED, "default", "resize:800x600|format:auto")
    result, second = (
        Result("", SHA256, size, 800, 600, 1, kind) for size, kind in ((70411, "image/jpeg"), (48213, "image/webp"))
    )
    auto = msgspec.structs.replace(auto, result=result, alternatives=(second,))
    return _body(msgspec.structs.replace(there, renditions=(auto,)))


def stale() -> Any:
    """A processed image whose rendition was asked for as a preset that means something else by now."""
    there = stored_image(Status.PROCESSED)
    changed = msgspec.structs.replace(there.renditions[0], name="thumb", processing="preset:thumb")
    return _body(msgspec.structs.replace(there, renditions=(changed,)))


def uploaded() -> Json:
    return {"uploaded": image(Status.UPLOADED)}


def queued() -> Json:
    return {"queued": image(Status.UPLOADED)}


def statuses() -> Json:
    """An image in each status, the last one first."""
    by_status = {status.value: image(status) for status in reversed(Status)}
    return {**by_status, "format_auto": two_files(), "stale": stale()}


def new_renditions() -> Json:
    """Bodies that ask for a rendition."""
    return {"thumbnail": THUMBNAIL, "list": {**THUMBNAIL, "processing": ["thumbnail:200", "format:webp"]}}


def with_thumbnail() -> Json:
    """A processed image that has just been asked for one rendition more."""
    there = stored_image(Status.PROCESSED)
    more = _rendition(Status.UPLOADED, THUMBNAIL["name"], THUMBNAIL["processing"])
    asked = msgspec.structs.replace(there, status=Status.PROCESSING, renditions=(*there.renditions, more))
    return {"asked": _body(asked)}


def page() -> Json:
    there = stored_image(Status.PROCESSED)
    return {"page": _shown(PageBody([image_body(there, _GRAMMAR)], cursor_after(there)))}


def changes() -> Json:
    """Bodies that change an image."""
    return {"publish": {"visibility": "public"}, "file": {"metadata": METADATA}}


def changed() -> Json:
    """A processed image that has been made public."""
    return {"public": _body(msgspec.structs.replace(stored_image(Status.PROCESSED), visibility=Visibility.PUBLIC))}


def new_links() -> Json:
    """Bodies that ask for a link."""
    return {
        "rendition": {"rendition": "thumb", "expires_in": 3600},
        "original": {"rendition": "original", "expires_in": 86400, "disposition": "attachment"},
    }


def link() -> Json:
    """The answer to the first of them. The signature is a made-up one."""
    expires = UPLOADED_AT + timedelta(hours=1)
    query = f"rendition=thumb&expires={int(expires.timestamp())}&kid=2026-11&sig={'A' * 43}"
    return {"rendition": msgspec.to_builtins(LinkBody(f"{image_path(UUID(EXAMPLE_ID))}?{query}", expires))}


def deleted() -> Json:
    return {"deleted": msgspec.to_builtins(MessageBody("Image deleted successfully"))}


def upload() -> Json:
    """The parts of a form."""
    return {
        "image": one_pixel(),
        "processing": "resize:800x600|format:webp",
        "renditions": {"thumb": "thumbnail:200"},
        "metadata": METADATA,
    }


def one_pixel() -> str:
    """A picture as a text: a grey TIFF of one pixel, all of whose bytes are ASCII, so that an example in JSON can hold them."""
    one, short, long = 1, 3, 4
    entries = [
        (256, short, one), (257, short, one), (258, short, 8), (259, short, one), (262, short, one),
        (273, long, 8), (277, short, one), (278, short, one), (279, long, one),
    ]  # width, height, bits, no compression, black is zero, where the pixel is, bands, rows, bytes  # fmt: skip
    directory = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    pixel = struct.pack("<B3x", 100)
    return (b"II*\0" + struct.pack("<I", 12) + pixel + struct.pack("<H", len(entries)) + directory + bytes(4)).decode("ascii")


def _body(image: Image) -> Any:
    return _shown(image_body(image, _GRAMMAR))


def _shown(body: ImageBody | PageBody) -> Any:
    """As JSON has it: metadata are a text of it already."""
    return msgspec.json.decode(msgspec.json.encode(body))


def stored_image(status: Status) -> Image:
    """An image with one rendition, as the repository would return it in this status."""
    sent = Original("", "image/jpeg", 2481733, SHA256, 4000, 3000, "holiday.jpg", orientation=1)
    if status == Status.PROCESSED:
        facts = {"frames": 1, "has_alpha": False, "dominant_colour": "#7b98b5", "thumbhash": "1QcSHQRnh493V4dIh4eXh1h4kJUI"}
        sent = msgspec.structs.replace(sent, **facts)
    updated_at = UPLOADED_AT if status == Status.UPLOADED else UPLOADED_AT + timedelta(seconds=1)
    renditions = (_rendition(status, "default", "resize:800x600|format:webp"),)
    metadata = msgspec.json.encode(METADATA).decode()
    return Image(UUID(EXAMPLE_ID), ANONYMOUS, status, sent, metadata, UPLOADED_AT, updated_at, renditions)


def _rendition(status: Status, name: str, processing: str) -> Rendition:
    return Rendition(
        id=UUID(EXAMPLE_ID),
        image_id=UUID(EXAMPLE_ID),
        name=name,
        processing=processing,
        pipeline=_GRAMMAR.parse(processing).canonical,
        lane=Lane.FAST,
        status=status,
        attempts=0 if status == Status.UPLOADED else 1,
        failure=Failure(InvalidImage.code, InvalidImage().detail) if status == Status.FAILED else None,
        result=Result("", SHA256, 48213, 800, 600, 1, "image/webp") if status == Status.PROCESSED else None,
    )
