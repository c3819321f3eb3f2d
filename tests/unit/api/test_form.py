"""The upload's form: parts in any order, in pieces of any size, and an error for every fault."""

import json
import random
from collections.abc import AsyncIterator

import pytest
from litestar.exceptions import InternalServerException

from internal.api.forms.form import Form
from internal.domain.errors import ClientGone, InvalidRequest, PayloadTooLarge, ServiceError
from internal.intake.metadata import MAX_DEPTH
from internal.intake.options import UploadOptions

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

    asked = whole.options()
    assert (asked.filename, asked.processing, asked.renditions, asked.metadata.text) == (
        "a.png",
        "resize:9x9|blur:2",
        None,
        '{"a": 1}',
    )


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
        (IMAGE + part("renditions", b'{"a": "flip", "b": "flop", "a": "flip"}') + END, InvalidRequest, "the name 'a' twice"),
        (IMAGE + part("renditions", b'{"a": "flip", "\\u0061": "flop"}') + END, InvalidRequest, "the name 'a' twice"),
        (IMAGE + part("renditions", b"[" * 60_000) + END, InvalidRequest, "renditions"),
        (IMAGE + part("processing", b"\xff\xfe") + END, InvalidRequest, "UTF-8"),
        (IMAGE + part("processing", b"x" * 70_000) + END, PayloadTooLarge, "processing"),
        (IMAGE, InvalidRequest, "not a complete multipart form"),
        (b"no form at all", InvalidRequest, "not a complete multipart form"),
        (IMAGE.replace(b"form-data", b"attachment") + END, InvalidRequest, "a part is no `form-data`"),
        (f"--{BOUNDARY}\r\n\r\nx\r\n".encode() + END, InvalidRequest, "a part is no `form-data`"),
        (b"", InvalidRequest, "not a complete multipart form"),
        (part("processing", b"x") * 100 + IMAGE + END, InvalidRequest, "more than 64 parts"),
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


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 400, 800, 2000])
async def test_metadata_is_nested_so_deep_and_no_deeper(depth: int) -> None:
    deepest = form(IMAGE + part("metadata", nested(MAX_DEPTH)) + END, max_metadata_bytes=8192)
    await read(deepest)
    assert deepest.options().metadata.text.encode() == nested(MAX_DEPTH)

    with pytest.raises(InvalidRequest, match="metadata"):
        await read(form(IMAGE + part("metadata", nested(depth)) + END, max_metadata_bytes=8192))


async def test_a_hang_up_is_not_our_fault() -> None:
    with pytest.raises(ClientGone):
        await read(form(IMAGE[:500], hang_up=True))


@pytest.mark.parametrize(
    "content_type", ["", "application/json", "multipart/form-data", "multipart/form-data; boundary=", "text/plain; boundary=x"]
)
def test_another_content_type_is_refused(content_type: str) -> None:
    async def nothing() -> AsyncIterator[bytes]:
        yield b""

    with pytest.raises(InvalidRequest, match="multipart/form-data"):
        Form(nothing(), content_type, max_metadata_bytes=1)


async def understood(*parts: bytes) -> UploadOptions:
    whole = form(b"".join(parts) + END, max_metadata_bytes=8192)
    await read(whole)
    return whole.options()


async def test_a_file_name_is_cleaned() -> None:
    named = await understood(part("image", b"x", "../a\x00\u202e\u202fb.png"))
    assert named.filename == "a\u202fb.png"


@pytest.mark.parametrize("blank", [b"", b" ", b" \t\r\n\n"])
async def test_blank_parts_are_as_if_not_given(blank: bytes) -> None:
    """HTML forms send every field; a file input without a file sends an empty part with an empty name."""
    nothing = await understood(IMAGE)
    texts = [part(name, blank) for name in ("processing", "renditions", "metadata", "colour", "_charset_", "type")]

    assert await understood(*texts, IMAGE, *texts) == nothing
    assert await understood(part("image", b"", ""), IMAGE, part("image", b"", ""), part("second", b"", "")) == nothing

    full = [part("processing", b"flip"), part("renditions", b'{"a": "flop"}'), part("metadata", b'{"b": 1}')]
    assert await understood(*texts, *full, IMAGE, *texts) == await understood(*full, IMAGE)
    assert (await understood(part("processing", b"flip"), *texts, IMAGE, part("processing", b"flop"))).processing == "flip|flop"


async def test_null_is_nothing_too() -> None:
    assert await understood(part("renditions", b"null"), IMAGE, part("metadata", b" null\n")) == await understood(IMAGE)


async def test_parts_that_browsers_and_uppy_add_are_ignored() -> None:
    added = [part("_charset_", b"UTF-8"), part("name", b"\xff.png"), part("type", b"image/png"), part("type", b"image/png")]
    assert await understood(*added, IMAGE) == await understood(IMAGE)


@pytest.mark.parametrize(
    "image",
    [
        part("image", b"", ""),  # a file input without a file
        part("image", b""),
        part("image", b"", "") + part("image", b"", ""),
        part("images", b"", ""),
        b"",
    ],
)
async def test_no_picture_says_so(image: bytes) -> None:
    with pytest.raises(InvalidRequest, match="`image` is missing or empty"):
        await read(form(part("processing", b"flip") + image + END))


async def test_an_empty_file_is_a_picture_of_no_bytes() -> None:
    """It has a name: somebody chose it. The inspection of the picture refuses it."""
    empty = form(part("image", b"", "empty.png") + END)
    assert await read(empty) == b""
    assert empty.options().filename == "empty.png"
    with pytest.raises(InvalidRequest, match="twice"):
        await read(form(part("image", b"", "empty.png") + IMAGE + END))
    with pytest.raises(InvalidRequest, match="twice"):
        await read(form(IMAGE + part("image", b"", "empty.png") + END))


async def test_an_unknown_part_is_refused_at_its_first_word() -> None:
    with pytest.raises(InvalidRequest, match=r"no part `colour`\. An upload has: image, processing, renditions, metadata"):
        await read(form(IMAGE + part("colour", b"  \n blue") + END))


async def test_texts_are_of_the_charset_that_their_type_names() -> None:
    """RFC 7578, section 4.4."""

    def text(charset: str, data: bytes) -> bytes:
        head = f'Content-Disposition: form-data; name="metadata"\r\nContent-Type: text/plain; charset={charset}\r\n\r\n'
        return f"--{BOUNDARY}\r\n{head}".encode() + data + b"\r\n"

    for charset in ("utf-8", "UTF-8", '"utf-8"', "iso-8859-1", "windows-1252"):
        data = '{"place": "K\u00f6ln"}'.encode(charset.strip('"'))
        assert (await understood(text(charset, data), IMAGE)).metadata.value == {"place": "K\u00f6ln"}
    grows = text("iso-8859-1", b'{"a": "%s"}' % (b"\xe9" * 5000))  # 10,009 bytes in UTF-8, as which it is kept and given back
    with pytest.raises(PayloadTooLarge, match="`metadata` has more than 8192 bytes"):
        await understood(grows, IMAGE)
    for charset, data in (("utf-8", b'{"a": "\xff"}'), ("rot13", b"{}")):
        with pytest.raises(InvalidRequest, match=f"not {charset.upper()} text"):
            await understood(text(charset, data), IMAGE)


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable"])
async def test_an_encoded_part_is_refused(encoding: str) -> None:
    """RFC 7578, section 4.7: deprecated, and no client sends it. If it were not decoded, the text would be wrong."""
    for name in ("image", "metadata"):
        encoded = part(name, b"e30=").replace(b"\r\n\r\n", f"\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode(), 1)
        with pytest.raises(InvalidRequest, match=f"`{name}` is encoded as {encoding}"):
            await read(form(encoded + END))
    binary = IMAGE.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: BINARY\r\nContent-Length: 3\r\n\r\n", 1)
    assert len(await read(form(binary + END))) == 5124


async def test_chains_are_texts_or_lists_as_they_were_written() -> None:
    lists = {"a": "flip|flop", "b": ["flip", "flop"], "c": [{"op": "flip"}], "d": '["flip"]'}
    asked = await understood(IMAGE, part("renditions", json.dumps(lists).encode()), part("processing", b' ["flip",\n"flop"] '))

    assert asked.processing == ' ["flip",\n"flop"] '
    assert asked.renditions == {"a": "flip|flop", "b": '["flip", "flop"]', "c": '[{"op": "flip"}]', "d": '["flip"]'}


async def test_no_chain_is_named() -> None:
    for wrong in ("1", "null", '{"op": "flip"}', "true"):
        with pytest.raises(InvalidRequest, match="`renditions`: 'b' is no chain, which is a text, or a list"):
            await understood(IMAGE, part("renditions", f'{{"a": "flip", "b": {wrong}}}'.encode()))
    with pytest.raises(InvalidRequest, match="`processing` came more than once, as a JSON list"):
        await understood(IMAGE, part("processing", b"flip"), part("processing", b' ["flop"]'))


async def test_whatever_comes_is_read_or_refused() -> None:
    """Mutants of a form that has everything: no byte in it makes another error than ours."""
    head = (
        b'Content-Disposition: form-data; name="image"; filename="=?utf-8?B?4oKs?= \\"a\\".png"; filename*=UTF-8\'\'%E2%82%AC.png'
    )
    full = (
        b"x\r\n--frontier \r\n"
        + head
        + b"\r\nContent-Type: image/png; charset=utf-8\r\n folded\r\n\r\n\x89PNG\r\n"
        + part("metadata", b'{"a": [1e300, -0, "\\ud83d\\ude00"]}')
        + part("renditions", b'{"a": ["flip", {"op": "flop"}]}')
        + part("colour", b"")
        + END
    )
    chosen = random.Random(20261130)
    signs = [bytes([sign]) for sign in b"\x00\xff\r\n\"\\%;=?*'["]
    known = [b"", b"\r\n", b"--frontier", b"1e9", *signs]
    seen = set()
    for _ in range(1500):
        mutant = bytearray(full)
        for _ in range(chosen.choice([1, 1, 2, 5])):
            place = chosen.randrange(len(mutant))
            mutant[place : place + chosen.choice([0, 1, 1, 9])] = chosen.choice(known)
        whole = form(bytes(mutant), chosen.choice([1, 50, 5000]), max_metadata_bytes=8192)
        try:
            await read(whole)
            seen.add("read")
            assert len(whole.options().filename or "") <= 255
        except (InvalidRequest, PayloadTooLarge) as error:
            seen.add(error.code)
    assert seen >= {"read", "invalid_request"}
