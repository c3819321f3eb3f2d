"""What parent and child say to each other: length-prefixed msgpack over the child's stdin and stdout.

parent → GO         once, when it has limited the child, which has loaded all that it needs meanwhile
child → Ready       once, when its walls are up
parent → RenderJob  one picture
child → Accepted    at once: from here on a death is this picture's
child → Rendered | Refused
"""

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from internal.ports.sandbox import Rendered, RenderJob

PREFIX = 4
"""Bytes, big-endian: the length of the message that follows."""

GO = b"\n"
MAX_REPLY = 2**16
"""Bytes of the longest message that a parent reads from a child."""
_MAX_DETAIL = 1000
_CONTROLS = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
"""What can't be stored as text, or changes how the text around it is shown: in a terminal, a log or a page."""

Code = Annotated[str, Meta(max_length=64, pattern=r"^[a-z_]+\Z")]
Detail = Annotated[str, Meta(max_length=_MAX_DETAIL, pattern=rf"^[^{_CONTROLS}]+\Z")]


class Ready(Struct, frozen=True, tag="ready"):
    """The child's limits are in force and its libraries loaded. `landlock`: its ABI, None where there is none."""

    landlock: Annotated[int, Meta(ge=1, le=1000)] | None
    seccomp: bool


class Accepted(Struct, frozen=True, tag="accepted"):
    """The child has read the job and begins."""


class Done(Struct, frozen=True, tag="done"):
    """The picture lies in the job's target."""

    rendered: Rendered


class Refused(Struct, frozen=True, tag="refused"):
    """The picture could not be rendered: code and detail of an error in internal/domain/errors.py. `fatal`: the child ends."""

    code: Code
    detail: Detail
    position: Annotated[int, Meta(ge=0, le=2**30)] | None = None
    fatal: bool = False


Reply = Ready | Accepted | Done | Refused

_encoder = msgspec.msgpack.Encoder(enc_hook=str)
_jobs = msgspec.msgpack.Decoder(RenderJob, dec_hook=lambda kind, value: kind(value))
_replies: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Ready | Accepted | Done | Refused)


def plain(text: str) -> str:
    """`text` as a Detail: on one line, without control characters, and not longer than one may be."""
    shown = re.sub(f"[{_CONTROLS}]", "\N{REPLACEMENT CHARACTER}", " ".join(text.split()))
    return (shown if len(shown) <= _MAX_DETAIL else f"{shown[: _MAX_DETAIL - 1]}…") or "It gave no reason."


def packed(message: Any) -> bytes:
    """A message with its length in front."""
    body = _encoder.encode(message)
    return len(body).to_bytes(PREFIX, "big") + body


def job_from(body: bytes) -> RenderJob:
    """Raises msgspec.DecodeError for anything else."""
    return _jobs.decode(body)


def reply_from(body: bytes) -> Reply:
    """Raises msgspec.MsgspecError for anything else: a child may be in a stranger's hands."""
    try:
        return _replies.decode(body)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError("not text") from error
