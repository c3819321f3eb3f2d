"""What parent and child say to each other: length-prefixed msgpack over the child's stdin and stdout.

child → Ready       once, when its limits are in force
parent → RenderJob  one picture
child → Accepted    at once: from here on a death is this picture's
child → Rendered | Refused
"""

from typing import Any

import msgspec
from msgspec import Struct

from internal.sandbox.port import Rendered, RenderJob

PREFIX = 4
"""Bytes, big-endian: the length of the message that follows."""


class Ready(Struct, frozen=True, tag="ready"):
    """The child's limits are in force and its libraries loaded. `landlock`: its ABI, None where there is none."""

    landlock: int | None
    seccomp: bool


class Accepted(Struct, frozen=True, tag="accepted"):
    """The child has read the job and begins."""


class Done(Struct, frozen=True, tag="done"):
    """The picture lies in the job's target."""

    rendered: Rendered


class Refused(Struct, frozen=True, tag="refused"):
    """The picture could not be rendered: the code and detail of an error in internal/errors.py. `fatal`: the child ends."""

    code: str
    detail: str
    position: int | None = None
    fatal: bool = False


Reply = Ready | Accepted | Done | Refused

_encoder = msgspec.msgpack.Encoder(enc_hook=str)
_jobs = msgspec.msgpack.Decoder(RenderJob, dec_hook=lambda kind, value: kind(value))
_replies: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Ready | Accepted | Done | Refused)


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
