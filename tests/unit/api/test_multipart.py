"""Multipart bodies of every valid form, cut in every way; and invalid ones."""

import random
from collections.abc import Iterable
from itertools import pairwise

import pytest

from internal.api.forms.multipart import MAX_HEADER_BYTES, MultipartError, MultipartReader, PartHead

PICTURE = b"\xff\xd8\r\n\r\n--\r\n--b\r\r\n--bo\r\n--boundar\r\n-\xff\xd9\r"  # much that looks like the beginning of a boundary
HEAD = b'Content-Disposition: form-data; name="image"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n'
TEXT = b'content-disposition: form-data; name="processing"\r\n'

Part = tuple[dict[str, str], bytes]

WHOLE: list[Part] = [
    ({"content-disposition": 'form-data; name="processing"'}, b"flip"),
    ({"content-disposition": 'form-data; name="image"; filename="a.jpg"', "content-type": "image/jpeg"}, PICTURE),
]


def body(
    *, before: bytes = b"", pad: bytes = b"", after: bytes = b"\r\n", boundary: bytes = b"boundary", text: bytes = TEXT
) -> bytes:
    line = b"--" + boundary + pad + b"\r\n"
    return before + line + text + b"\r\nflip\r\n" + line + HEAD + b"\r\n" + PICTURE + b"\r\n--" + boundary + b"--" + pad + after


LAWFUL = {
    "plain": body(),
    "nothing behind the end": body(after=b""),
    "an epilogue": body(after=b"\r\nThat was all.\r\n--boundary\r\n"),
    "a line end before the first boundary": body(before=b"\r\n"),
    "a preamble": body(before=b"x --boundary is in here, --boundary\r\n\r--boundary\r\n--boundar\r\n"),
    "padding": body(pad=b" \t  "),
    "folded headers": body(text=b'Content-Disposition:\r\n form-data;\r\n\tname="processing"\r\n').replace(b"\tname", b" name"),
    "other headers": body(text=TEXT + b"Content-Length: 99\r\nX-Empty:\r\n"),
}


def parts_of(pieces: Iterable[bytes], boundary: str = "boundary") -> list[Part]:
    """What is read: headers and contents of the parts."""
    reader = MultipartReader(boundary)
    parts: list[Part] = []
    inside = False
    for piece in pieces:
        for event in reader.feed(piece):
            if isinstance(event, PartHead):
                assert not inside
                inside = True
                parts.append((event.headers, b""))
            elif event is None:
                inside = False
            else:
                assert inside
                assert event
                parts[-1] = (parts[-1][0], parts[-1][1] + event)
    reader.close()
    return parts


def outcome(pieces: Iterable[bytes]) -> list[Part] | str:
    try:
        return parts_of(pieces)
    except MultipartError as error:
        return str(error)


def cut(whole: bytes, *places: int) -> list[bytes]:
    return [whole[start:end] for start, end in pairwise([0, *sorted(places), len(whole)])]


@pytest.mark.parametrize("name", LAWFUL)
def test_every_way_to_cut_a_body_gives_the_same(name: str) -> None:
    whole = LAWFUL[name]
    told = parts_of([whole])
    assert [content for _, content in told] == [content for _, content in WHOLE]
    assert told[1] == WHOLE[1]
    assert told[0][0]["content-disposition"].split() == ["form-data;", 'name="processing"']

    for place in range(len(whole) + 1):
        assert parts_of(cut(whole, place)) == told, place
    assert parts_of(whole[place : place + 1] for place in range(len(whole))) == told
    for size in range(2, 60):
        assert parts_of(whole[place : place + size] for place in range(0, len(whole), size)) == told, size


def test_every_way_to_cut_a_bad_body_gives_the_same_error() -> None:
    chosen = random.Random(7)
    whole = body(before=b"x\r\n", pad=b" ")
    for _ in range(400):
        place = chosen.randrange(len(whole))
        wrong = whole[:place] + chosen.choice([b"", b"\r", b"\n", b"-", b" ", b"\r\n", b"--boundary", b":"]) + whole[place + 1 :]
        told = outcome([wrong])
        assert outcome(wrong[at : at + 1] for at in range(len(wrong))) == told
        assert outcome(cut(wrong, chosen.randrange(len(wrong)), chosen.randrange(len(wrong)))) == told


def test_no_more_is_held_than_could_be_a_boundary() -> None:
    """So a picture's bytes go on at once, and by no copy where they can."""
    reader = MultipartReader("boundary")
    list(reader.feed(b"--boundary\r\n" + HEAD + b"\r\n"))
    chunk = bytes(2**16)

    [event] = reader.feed(chunk)
    assert event is not None
    [again] = reader.feed(chunk)

    assert again is chunk
    assert list(reader.feed(b"a\r\n--boundary")) == [b"a", None]


@pytest.mark.parametrize(
    ("whole", "contents"),
    [
        (b"--boundary--", []),
        (b"--boundary--\r\n", []),
        (b"--boundary\r\n" + TEXT + b"\r\n\r\n--boundary--", [b""]),  # an empty field
        (b"--boundary\r\n" + TEXT + b"\r\n--boundary--", [b""]),  # no body at all: MIME-part-headers [CRLF *OCTET]
        (b"--boundary\r\n\r\nx\r\n--boundary--", [b"x"]),  # no headers: for the form to refuse
    ],
)
def test_small_bodies(whole: bytes, contents: list[bytes]) -> None:
    for pieces in ([whole], [whole[at : at + 1] for at in range(len(whole))]):
        assert [content for _, content in parts_of(pieces)] == contents


@pytest.mark.parametrize(
    ("whole", "says"),
    [
        (b"", "never comes"),
        (b"no form at all", "never comes"),
        (b"x--boundary--", "never comes"),
        (b"--boundary\n" + TEXT + b"\r\nx\r\n--boundary--", "end of its line"),
        (b"--boundary --\r\n", "end of its line"),
        (b"--boundary\r\n" + TEXT + b"\r\nx\r\n--boundary", "before its last"),
        (b"--boundary\r\n" + TEXT + b"\r\nx\r\n--boundary-", "before its last"),
        (b"--boundary\r\n" + TEXT + b"\r\nx", "before its last"),
        (b"--boundary\r\nno header\r\n\r\nx\r\n--boundary--", "name: value"),
        (b"--boundary\r\na b: c\r\n\r\nx\r\n--boundary--", "name: value"),
        (b"--boundary\r\nX-A: b\nc\r\n\r\nx\r\n--boundary--", "line break"),
        (b"--boundary\r\nX: " + b"y" * MAX_HEADER_BYTES + b"\r\n\r\nx\r\n--boundary--", "bytes of headers"),
    ],
)
def test_bodies_that_are_no_multipart(whole: bytes, says: str) -> None:
    for pieces in ([whole], [whole[at : at + 1] for at in range(len(whole))]):
        with pytest.raises(MultipartError, match=says):
            parts_of(pieces)


def test_headers_may_be_as_long_as_it_says() -> None:
    longest = b"X: " + b"y" * (MAX_HEADER_BYTES - 5)  # and the line ends before and behind
    whole = b"--boundary\r\n" + longest + b"\r\n\r\nx\r\n--boundary--"
    for size in (1, 5, len(whole)):
        [(headers, _)] = parts_of(whole[at : at + size] for at in range(0, len(whole), size))
        assert len(headers["x"]) == MAX_HEADER_BYTES - 5


@pytest.mark.parametrize("boundary", ["", "a\r\nb", "gränze", "a\x00", "x" * 1025])
def test_texts_that_are_no_boundary(boundary: str) -> None:
    with pytest.raises(MultipartError):
        MultipartReader(boundary)


def test_headers_are_the_first_of_each_name_and_one_character_a_byte() -> None:
    whole = b"--boundary\r\nX-Name : caf\xe9 \r\nx-name: other\r\n\r\n\r\n--boundary--"
    assert parts_of([whole]) == [({"x-name": "caf\xe9"}, b"")]
