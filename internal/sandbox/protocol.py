"""Protocol between parent and child: length-prefixed msgpack over the child's stdin and stdout.

parent → GO         once, after it has limited the child, which loads its libraries meanwhile
child → Ready       once, when it is confined
parent → RenderJob  one picture
child → Accepted    immediately: from here on the picture counts as the cause of a crash
child → Done | RenderRefused
"""

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from internal.ports.sandbox import Rendered, RenderJob

PREFIX = 4
"""Number of bytes of the length prefix, which is big-endian."""

GO = b"\n"
MAX_REPLY = 2**16
"""Maximum length of a message from a child, in bytes."""
_MAX_DETAIL = 1000
_CONTROLS = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
"""Characters that can't be stored as text, or that affect the display of the surrounding text in a terminal, log or page."""

Code = Annotated[str, Meta(max_length=64, pattern=r"^[a-z_]+\Z")]
Detail = Annotated[str, Meta(max_length=_MAX_DETAIL, pattern=rf"^[^{_CONTROLS}]+\Z")]


class Ready(Struct, frozen=True, tag="ready"):
    """The child has loaded its libraries and is confined. Its sandbox features: `landlock` is the ABI, or None without it."""

    landlock: Annotated[int, Meta(ge=1, le=1000)] | None
    seccomp: bool


class Accepted(Struct, frozen=True, tag="accepted"):
    """The child has read the job and starts."""


class Done(Struct, frozen=True, tag="done"):
    """The picture is in the job's target."""

    rendered: Rendered


class RenderRefused(Struct, frozen=True, tag="refused"):
    """The picture can't be rendered. Code and detail are those of an error in internal/domain/errors.py.

    If `fatal` is true, the child ends.
    """

    code: Code
    detail: Detail
    position: Annotated[int, Meta(ge=0, le=2**30)] | None = None
    fatal: bool = False


Reply = Ready | Accepted | Done | RenderRefused

_encoder = msgspec.msgpack.Encoder(enc_hook=str)
_jobs = msgspec.msgpack.Decoder(RenderJob, dec_hook=lambda kind, value: kind(value))
_replies: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Ready | Accepted | Done | RenderRefused)


def sanitize_detail(text: str) -> str:
    """Return `text` as a Detail: one line without control characters, cut to the maximum length."""
    shown = re.sub(f"[{_CONTROLS}]", "\N{REPLACEMENT CHARACTER}", " ".join(text.split()))
    return (shown if len(shown) <= _MAX_DETAIL else f"{shown[: _MAX_DETAIL - 1]}…") or "It gave no reason."


def encode_message(message: Any) -> bytes:
    """Encode a message with its length prefix."""
    body = _encoder.encode(message)
    return len(body).to_bytes(PREFIX, "big") + body


def decode_job(body: bytes) -> RenderJob:
    """Decode a job. Raises msgspec.DecodeError for anything else."""
    return _jobs.decode(body)


def decode_reply(body: bytes) -> Reply:
    """Decode a reply. Raises msgspec.MsgspecError for anything else, because the child may be compromised."""
    try:
        return _replies.decode(body)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError("not text") from error
