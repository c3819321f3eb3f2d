"""The upload's form: parts in any order, read in any pieces, and every fault named."""

import json
from collections.abc import AsyncIterator

import pytest
from litestar.exceptions import InternalServerException

from internal.api.multipart import MAX_METADATA_DEPTH, Form
from internal.errors import ClientGone, InvalidRequest, PayloadTooLarge, ServiceError

BOUNDARY = "frontier"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def part(name: str, data: bytes, filename: str | None = None) -> bytes:
    file = f'; filename="{filename}"' if filename is not None else ""
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + data + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()
IMAGE = part("image", b"\x89PNG" + bytes(range(256)) * 20, "a.png")


def form(body: bytes, size: int = 1000, *, hang_up: bool = False, max_metadata_bytes: int = 64) -> Form:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]
        if hang_up:
            raise InternalServerException("client disconnected prematurely")

    return Form(chunks(), TYPE, max_metadata_bytes=max_metadata_bytes)


async def read(form: Form) -> bytes:
    return b"".join([chunk async for chunk in form.content()])


@pytest.mark.parametrize("size", [1, 7, 100, 10**6])
async def test_the_picture_comes_out_as_it_went_in(size: int) -> None:
    body = part("processing", b"resize:9x9") + IMAGE + part("processing", b"blur:2") + part("metadata", b'{"a": 1}') + END
    whole = form(body, size)

    assert await read(whole) == b"\x89PNG" + bytes(range(256)) * 20

    asked = whole.requested()
    assert (asked.filename, asked.processing, asked.renditions, asked.metadata) == ("a.png", "resize:9x9|blur:2", None, {"a": 1})


@pytest.mark.parametrize(
    ("body", "error", "says"),
    [
        (part("processing", b"x") + END, InvalidRequest, "`image` is missing"),
        (IMAGE + IMAGE + END, InvalidRequest, "twice"),
        (IMAGE + part("images", b"x") + END, InvalidRequest, "no part `images`"),
        (IMAGE + part("metadata", b"{}") + part("metadata", b"{}") + END, InvalidRequest, "twice"),
        (IMAGE + part("metadata", b"[1]") + END, InvalidRequest, "JSON object"),
        (IMAGE + part("metadata", b"{") + END, InvalidRequest, "JSON object"),
        (IMAGE + part("metadata", b'{"a": [{"b": "\\u0000"}]}') + END, InvalidRequest, "U.0000"),
        (IMAGE + part("metadata", b'{"\\u0000": 1}') + END, InvalidRequest, "U.0000"),
        (IMAGE + part("metadata", b'{"a":' * 5000 + b"1" + b"}" * 5000) + END, PayloadTooLarge, "metadata"),
        (IMAGE + part("metadata", b'{"a": "' + b"x" * 64 + b'"}') + END, PayloadTooLarge, "64 bytes"),
        (IMAGE + part("renditions", b'{"a": 1}') + END, InvalidRequest, "renditions"),
        (IMAGE + part("renditions", b"[" * 60_000) + END, InvalidRequest, "renditions"),
        (IMAGE + part("processing", b"\xff\xfe") + END, InvalidRequest, "UTF-8"),
        (IMAGE + part("processing", b"x" * 70_000) + END, PayloadTooLarge, "processing"),
        (IMAGE, InvalidRequest, "not a complete multipart form"),
        (b"no form at all", InvalidRequest, "not a complete multipart form"),
        (b"", InvalidRequest, "not a complete multipart form"),
        (part("processing", b"x") * 100 + IMAGE + END, InvalidRequest, "multipart"),
    ],
)
async def test_every_fault_is_named(body: bytes, error: type[ServiceError], says: str) -> None:
    with pytest.raises(error, match=says):
        await read(form(body))


def nested(depth: int) -> bytes:
    """JSON objects and lists in turn, so many in one another."""
    opened = [b'{"a":' if level % 2 == 0 else b"[" for level in range(depth)]
    closed = [b"}" if level % 2 == 0 else b"]" for level in reversed(range(depth))]
    return b"".join([*opened, b'"x"', *closed])


@pytest.mark.parametrize("depth", [MAX_METADATA_DEPTH + 1, 400, 800, 2000])
async def test_metadata_is_nested_so_deep_and_no_deeper(depth: int) -> None:
    deepest = form(IMAGE + part("metadata", nested(MAX_METADATA_DEPTH)) + END, max_metadata_bytes=8192)
    await read(deepest)
    assert json.dumps(deepest.requested().metadata, separators=(",", ":")).encode() == nested(MAX_METADATA_DEPTH)

    with pytest.raises(InvalidRequest, match="metadata"):
        await read(form(IMAGE + part("metadata", nested(depth)) + END, max_metadata_bytes=8192))


async def test_a_hang_up_is_not_our_fault() -> None:
    with pytest.raises(ClientGone):
        await read(form(IMAGE[:500], hang_up=True))


@pytest.mark.parametrize("content_type", ["", "application/json", "multipart/form-data", "text/plain; boundary=x"])
def test_another_content_type_is_refused(content_type: str) -> None:
    async def nothing() -> AsyncIterator[bytes]:
        yield b""

    with pytest.raises(InvalidRequest, match="multipart/form-data"):
        Form(nothing(), content_type, max_metadata_bytes=1)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\cat.png", "cat.png"),
        ("a\x00b\u202e.png", "ab.png"),
        ("grüße 猫.jpg", "grüße 猫.jpg"),
        ("x" * 400, "x" * 255),
        ("", None),
        ("..", ".."),
    ],
)
async def test_file_names_are_cleaned(given: str, kept: str | None) -> None:
    named = form(part("image", b"x", given) + END)
    await read(named)

    assert named.requested().filename == kept
