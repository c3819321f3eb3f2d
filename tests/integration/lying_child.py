"""A compromised decoder: `lying_child.py LIE`, started instead of a child, speaks the protocol and lies once for each picture.

It builds its messages by itself, for the real types would not let it.
"""

import os
import signal
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

LIE = sys.argv[-1].removesuffix(".")  # the shell that hands it on takes a line's end away
RESULT = b"what the child made"


def say(message: dict[str, Any] | bytes, length: int | None = None) -> None:
    body = message if isinstance(message, bytes) else msgspec.msgpack.encode(message)
    os.write(1, struct.pack(">I", len(body) if length is None else length))
    while body:
        body = body[os.write(1, body) :]


def heard() -> dict[str, Any] | None:
    prefix = os.read(0, 4)
    length, body = int.from_bytes(prefix, "big"), b""
    while len(body) < length:
        body += os.read(0, length - len(body))
    return msgspec.msgpack.decode(body) if prefix else None


def take(what: str) -> None:
    """Use more of a resource than any picture needs."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGXCPU})
    match what:
        case "threads":
            threading.stack_size(2**16)
            for _ in range(200):
                threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
        case "files":
            for number in range(200):
                Path(f"file-{number}").touch()
        case "memory":
            for number in range(16):
                os.posix_fallocate(os.open(f"file-{number}", os.O_CREAT | os.O_WRONLY), 0, 2**25)
    while what == "processor":
        pass
    time.sleep(600)


def lie(job: dict[str, Any]) -> None:
    encoded: dict[str, Any] = {
        "width": 20, "height": 15, "frames": 1, "size": len(RESULT), "sha256": "f" * 64, "content_type": "image/jpeg",
    }  # fmt: skip
    facts = {
        "width": 64, "height": 48, "orientation": 1, "frames": 1, "has_alpha": False, "dominant_colour": "#00ff00",
        "thumbhash": "abcd",
    }  # fmt: skip
    rendered: dict[str, Any] = {"result": encoded, "alternative": None, "facts": None, "seconds": 0.1, "cpu_seconds": 0.1}
    refused: dict[str, Any] = {"type": "refused", "code": "invalid_image", "detail": "The file is damaged."}
    target, reply = Path(job["target"]), {"type": "done", "rendered": rendered}
    target.write_bytes(RESULT)
    match LIE.split(":"):
        case ["truth"] | ["rest", _]:
            pass
        case ["not accepted"]:
            say(reply)
            return
        case ["file", "missing"]:
            target.unlink()
        case ["file", "pipe"]:
            target.unlink()
            os.mkfifo(target)
        case ["file", "link"]:
            target.unlink()
            target.symlink_to("../input/source")
            encoded["size"] = Path(job["source"]).stat().st_size
        case ["file", "another name"]:
            target.unlink()
            target.hardlink_to(job["source"])
            encoded["size"] = Path(job["source"]).stat().st_size
        case ["file", "folder"]:
            target.unlink()
            target.mkdir()
            encoded["size"] = target.stat().st_size
        case ["file", "device"]:
            target.unlink()
            os.mknod(target, 0o20666, os.makedev(1, 5))
        case ["file", "another owner"]:
            os.chown(target, 12345, -1)
        case ["take", what]:
            say({"type": "accepted"})
            take(what)
        case ["size", "limit"]:
            target.write_bytes(bytes(job["limits"]["max_output_bytes"] + 1))
            encoded["size"] = job["limits"]["max_output_bytes"] + 1
        case ["size", more]:
            encoded["size"] += int(more)
        case ["pixels", _]:
            encoded |= {"width": 2**20, "height": 2**20}
        case ["alternative", content_type]:
            target.with_name("alternative").write_bytes(RESULT)
            rendered["alternative"] = encoded | {"content_type": content_type}
        case ["facts", "unasked"]:
            rendered["facts"] = facts
        case ["facts", name, value]:
            rendered["facts"] = facts | {name: value}
        case ["seconds", name, value]:
            rendered[name] = float(value)
        case ["reply", "long"]:
            reply = refused | {"detail": "a" * 2**16}
        case ["reply", "endless"]:
            say({"type": "accepted"})
            say(b"", length=2**32 - 1)
            while True:
                os.write(1, bytes(2**16))
        case ["reply", "nonsense"]:
            say({"type": "accepted"})
            say(b"\xc1")
            return
        case ["refused", name, value]:
            reply = refused | {name: eval(value)}  # noqa: S307 - this test's own words
        case ["encoded", name, value]:
            encoded[name] = eval(value)  # noqa: S307
        case _:
            raise ValueError(LIE)
    say({"type": "accepted"})
    say(reply)
    if LIE == "rest:processor":
        take("processor")


if __name__ == "__main__":
    os.read(0, 1)
    say({"type": "ready", "landlock": None, "seccomp": True})
    while job := heard():
        lie(job)
