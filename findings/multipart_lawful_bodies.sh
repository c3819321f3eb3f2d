#!/usr/bin/env bash
# The package multipart refuses lawful form bodies: padding behind a boundary, header bytes that are no UTF-8, a part without a body;
# with strict=True also a preamble, and whether it does depends on the pieces in which the body arrives
#
# Expected: RFC 2046, section 5.1.1, lets white space ("transport padding") stand behind a boundary, a preamble before the first one, and
#   a part end behind its headers (MIME-part-headers [CRLF *OCTET]); and what a parser says does not depend on how its bytes are cut.
# Seen: multipart 2.0.1 on 2026-11-30. Padding: "Unexpected bytes after boundary". A file name in Latin-1: "Segment header failed to
#   decode", whatever the part's content. A part without a body: its end is not found. strict=True: a body with a preamble is read when it
#   comes in one piece, and refused as "Boundary not found in first chunk" when the boundary comes with a later one. `filename*` is ignored
#   and RFC 2047's words are handed on as they are, though .NET's HttpClient sends both.
# Why it matters: mail libraries pad, curl on Windows sends names in the machine's code page. A server can't choose the pieces: a proxy does.
# Exit code: 0 while that is so, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check multipart==2.0.1
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

from multipart import MultipartError, PushMultipartParser

print("multipart", version("multipart"))
HEAD = b'Content-Disposition: form-data; name="image"; filename="a.png"\r\n'
PLAIN = b"--b\r\n" + HEAD + b"\r\nbytes\r\n--b--\r\n"


def told(body: bytes, *, strict: bool = False, pieces: int | None = None) -> str:
    parser = PushMultipartParser("b", strict=strict)
    size = pieces or len(body)
    names, data = [], b""
    try:
        for start in range(0, len(body), size):
            for event in parser.parse(body[start : start + size]):
                if isinstance(event, (bytes, bytearray)):
                    data += event
                elif event is not None:
                    names.append(event.filename)
        parser.close()
    except MultipartError as error:
        return f"refused: {error.args[0]}"
    return f"read: {names[0]!r}, {len(data)} bytes"


preamble = b"This is a message in many parts.\r\n" + PLAIN
cases = {
    "plain": told(PLAIN),
    "padding behind the boundaries": told(PLAIN.replace(b"--b\r\n", b"--b \r\n")),
    "padding behind the second of two": told(PLAIN.replace(b"--b--", b"--b \r\n" + HEAD + b"\r\nmore\r\n--b--")),
    "a name in Latin-1": told(PLAIN.replace(b"a.png", b"caf\xe9.png")),
    "a part without a body": told(b"--b\r\n" + HEAD + b"\r\n--b--\r\n"),
    "only filename*": told(PLAIN.replace(b'filename="a.png"', b"filename*=UTF-8''caf%C3%A9.png")),
    "an encoded word": told(PLAIN.replace(b"a.png", b"=?utf-8?B?Y2Fmw6kucG5n?=")),
    "a preamble": told(preamble),
    "a preamble, strict, one piece": told(preamble, strict=True),
    "a preamble, strict, 16 bytes at a time": told(preamble, strict=True, pieces=16),
}
for name, outcome in cases.items():
    print(f"{name}: {outcome}")
refused = [name for name, outcome in cases.items() if outcome.startswith("refused")]
expected = [
    "padding behind the boundaries",
    "padding behind the second of two",
    "a name in Latin-1",
    "a part without a body",
    "a preamble, strict, 16 bytes at a time",
]
same = cases["only filename*"].startswith("read: None") and "=?utf-8?B?" in cases["an encoded word"]
sys.exit(refused != expected or not same)
PYTHON
