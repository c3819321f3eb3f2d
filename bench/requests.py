"""The service's API as a client that costs next to nothing: whole requests made beforehand, on a blocking socket that is kept.

It must not be what is measured: a picture goes out in one call of the kernel's, and of an answer only what is needed is read.
"""

import socket
from pathlib import Path
from typing import Self
from uuid import UUID

import msgspec
from msgspec import Struct

BOUNDARY = "image-processor-bench"
TIMEOUT_SECONDS = 60.0


class RequestFailed(Exception):
    """The API gave another answer than the one that is measured."""


class ComeAgain(RequestFailed):
    """503: not now, but after `seconds`, as Retry-After says."""

    def __init__(self, seconds: float, said: str) -> None:
        super().__init__(said)
        self.seconds = seconds


class Accepted(Struct):
    """What is read of the answer to an upload."""

    id: UUID


def upload_request(path: Path, processing: str, port: int, *more: str) -> bytes:
    """`POST /api/v1/images`, ready to be sent; `more` are further lines of its head."""
    head = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"\r\n{kind}\r\n{text}'
        for field, kind, text in (
            ("processing", "", f"{processing}\r\n"),
            (f'image"; filename="{path.name}', "Content-Type: image/jpeg\r\n", ""),
        )
    )
    body = head.encode() + path.read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()
    lines = (
        "POST /api/v1/images HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
        f"Content-Length: {len(body)}",
        *more,
    )
    return "\r\n".join([*lines, "", ""]).encode() + body


def get_request(path: str, port: int, *more: str) -> bytes:
    """`GET` of a path under `/api/v1`, ready to be sent; `more` are further lines of its head."""
    return "\r\n".join([f"GET /api/v1{path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *more, "", ""]).encode()


class Answer(Struct, frozen=True):
    """What the API said. `head` is without the body."""

    head: bytes
    body: bytes

    @property
    def status(self) -> int:
        return int(self.head[9:12])

    def header(self, name: str) -> str | None:
        """The header of this name, in lower case."""
        for line in self.head.split(b"\r\n")[1:]:
            found, _, value = line.partition(b":")
            if found.lower() == name.encode():
                return value.strip().decode()
        return None

    def __str__(self) -> str:
        return f"{self.head.splitlines()[0].decode()} {self.body[:500].decode(errors='replace')}"


class Connection:
    """One connection to the API, kept open for as long as the API keeps it. For one thread."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket = self._connected()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()

    def upload(self, request: bytes) -> UUID:
        """Send a request of upload_request's; returns the image's id. Raises ComeAgain, or RequestFailed unless it is a 201."""
        return msgspec.json.decode(self.ask(request, 201).body, type=Accepted).id

    def wait_for_result(self, image_id: UUID, seconds: int = 30) -> bytes:
        """The processed picture, as soon as it is there."""
        return self.ask(get_request(f"/images/{image_id}", self._port, f"Prefer: wait={seconds}"), 200).body

    def delete(self, image_id: UUID) -> None:
        """Delete the image; what was still to be made of it is not made."""
        self.ask(f"DELETE /api/v1/images/{image_id} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n\r\n".encode(), 200)

    def ask(self, request: bytes, status: int) -> Answer:
        """Send a whole request; raises RequestFailed unless the answer has this status."""
        answer = self._exchange(request)
        if answer.status == 503 and (seconds := answer.header("retry-after")):
            raise ComeAgain(float(seconds), str(answer))
        if answer.status != status:
            raise RequestFailed(str(answer))
        return answer

    def _exchange(self, request: bytes) -> Answer:
        self._socket.sendall(request)
        received = bytearray()
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._more()
        head, body = bytes(received[:end]), received[end + 4 :]
        answer = Answer(head, b"")
        length = 0 if answer.status == 304 else int(answer.header("content-length") or 0)
        while len(body) < length:
            body += self._more()
        if answer.header("connection") == "close":
            self._socket.close()
            self._socket = self._connected()
        return Answer(head, bytes(body))

    def _connected(self) -> socket.socket:
        connected = socket.create_connection(("127.0.0.1", self._port), TIMEOUT_SECONDS)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connected

    def _more(self) -> bytes:
        more = self._socket.recv(2**18)
        if not more:
            raise RequestFailed("the API closed the connection")
        return more
