"""Headers with parameters, and the file name in a part's Content-Disposition.

RFC 7578 (forms) with what clients send beside it: `filename*` (RFC 8187; .NET, urllib3 1), encoded words (RFC 2047; .NET, Java),
`%22` for a quote (browsers, curl), and a backslash before it (older curl). Header values come as Latin-1, one character a byte.
"""

import base64
import binascii
import re
import unicodedata
from collections.abc import Mapping
from itertools import groupby
from operator import itemgetter
from urllib.parse import unquote_to_bytes

MAX_NAME = 255
"""Characters of a file name."""

MAX_PARAMETERS = 16

_PARAMETER = re.compile(
    r"""(?:[ \t]*;)+[ \t]*(?P<name>[^\s=;"]+)[ \t]*=[ \t]*
        (?: "(?P<escaped>(?:\\.|[^"\\])*)"(?=[ \t]*(?:;|\Z))    # a quoted string
          | "(?P<quoted>[^"]*)"(?=[ \t]*(?:;|\Z))               # one that ends in a backslash: browsers escape none
          | (?P<bare>[^;]*)
        )""",
    re.VERBOSE,
)

_CHARSET = re.compile(
    "utf-?8|us-ascii|iso-8859-([1-9]|1[013-6])|windows-125[0-8]|koi8-[ru]|gb2312|gbk|gb18030|big5|shift_jis|euc-jp|iso-2022-jp|euc-kr",
    re.IGNORECASE,
)
"""Charsets that are read. Python would look for a codec by any name, and keep each name that it does not find."""

_WORD = re.compile(r"=\?([\w.:-]{1,40})(?:\*[\w-]*)?\?([BbQq])\?([^?]*)\?=", re.ASCII)

_FLAG_LETTERS = re.compile("[\U0001f1e6-\U0001f1ff]*\\Z")
"""Two of them are a flag."""

_OVERRIDES = "\u202d\u202e"
"""They show what follows in another order than it has: a name that ends in `gpj.exe` would read as one that ends in `exe.jpg`."""


def header_parameters(value: str) -> tuple[str, dict[str, str]]:
    """A header's own value in lower case, and its parameters by name in lower case, the first of each."""
    kind, semicolon, _ = value.partition(";")
    if not semicolon:
        return kind.strip().lower(), {}
    found: dict[str, str] = {}
    at = len(kind)
    for _ in range(MAX_PARAMETERS):
        if not (match := _PARAMETER.match(value, at)):
            break
        found.setdefault(match["name"].lower(), _unquoted(match))
        at = match.end()
    return kind.strip().lower(), found


def _unquoted(match: re.Match[str]) -> str:
    escaped = match["escaped"]
    if escaped and '\\"' in escaped:
        return re.sub(r'\\(["\\])', r"\1", escaped)
    text = escaped or match["quoted"] or (match["bare"] or "").strip()
    return text.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")


def decoded(raw: bytes, charset: str) -> str:
    """`raw` as text. Raises LookupError for a charset that is not read here, UnicodeError for bytes that are not of it."""
    if not _CHARSET.fullmatch(charset):
        raise LookupError(charset)
    return raw.decode(charset)


def file_name(params: Mapping[str, str]) -> str | None:
    """The file name in a Content-Disposition's parameters, cleaned: `filename*` if it can be read, else `filename`."""
    extended, plain = params.get("filename*"), params.get("filename")
    return (_clean(_extended(extended)) if extended else None) or (_clean(_plain(plain)) if plain else None)


def _extended(value: str) -> str:
    """RFC 8187: `charset'language'percent-encoded`; empty if it is something else."""
    charset, _, rest = value.partition("'")
    try:
        return decoded(unquote_to_bytes(rest.partition("'")[2].encode("latin-1")), charset)
    except (LookupError, UnicodeError):
        return ""


def _plain(value: str) -> str:
    """UTF-8, or Latin-1 where the bytes are neither UTF-8 nor Latin-1's unused ones; else empty. Then its encoded words."""
    raw = value.encode("latin-1")
    try:
        return _words_decoded(raw.decode("utf-8"))
    except UnicodeDecodeError:
        return "" if any(0x80 <= byte < 0xA0 for byte in raw) else value


def _words_decoded(text: str) -> str:
    """`text` with its RFC 2047 words decoded; white space between two of them is dropped. As it is if one is broken."""
    if "=?" not in text:
        return text
    plain, charsets, encodings, words = (_WORD.split(text)[field::4] for field in range(4))
    pieces: list[tuple[str, bytes]] = []
    try:
        for place, between in enumerate(plain):
            if between and not (0 < place < len(words) and between.isspace()):
                pieces.append(("utf-8", between.encode("utf-8")))
            if place < len(words):
                pieces.append((charsets[place].lower(), _word_bytes(encodings[place], words[place].encode("ascii"))))
        # a client may cut in the middle of a character
        same = ((charset, b"".join(raw for _, raw in group)) for charset, group in groupby(pieces, key=itemgetter(0)))
        return "".join(decoded(raw, charset) for charset, raw in same)
    except (LookupError, ValueError):
        return text


def _word_bytes(encoding: str, word: bytes) -> bytes:
    if encoding in "Qq":
        return binascii.a2b_qp(word, header=True)
    return base64.b64decode(word + b"=" * (-len(word) % 4), validate=True)


def _clean(name: str) -> str | None:
    """A client's file name as it was sent, without its path, control characters, and what is too long."""
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = last if last.isprintable() else "".join(sign for sign in last if not _is_control(sign))
    return _cut(kept) if kept.strip() and kept not in (".", "..") else None


def _is_control(sign: str) -> bool:
    return sign in _OVERRIDES or unicodedata.category(sign) in ("Cc", "Cs")


def _cut(name: str) -> str:
    """At most MAX_NAME characters, and no sign in halves."""
    if len(name) <= MAX_NAME:
        return name
    end = next((end for end in range(MAX_NAME, 0, -1) if not _is_one_sign(name[:end], name[end])), MAX_NAME)
    return name[:end]


def _is_one_sign(before: str, after: str) -> bool:
    """Whether a reader sees the last character of `before` and `after` as one sign: UAX 29, as far as file names need it."""
    if _FLAG_LETTERS.fullmatch(after):
        return len(_FLAG_LETTERS.search(before)[0]) % 2 == 1  # type: ignore[index]  # finds nothing at least
    return (
        "\u200d" in (before[-1], after)  # joins emoji
        or unicodedata.category(after).startswith("M")  # accents, vowel signs, variation selectors
        or after == "\u200c"
        or "\u1160" <= after <= "\u11ff"  # vowels and finals of Hangul
        or "\U0001f3fb" <= after <= "\U0001f3ff"  # skin tones
        or "\U000e0020" <= after <= "\U000e007f"  # tags: flags of regions
    )
