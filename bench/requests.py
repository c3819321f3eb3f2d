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


class Accepted(Struct):
    """What is read of the answer to an upload."""

    id: UUID


def upload_request(path: Path, processing: str, port: int) -> bytes:
    """`POST /api/v1/images`, ready to be sent."""
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
    )
    return "\r\n".join([*lines, "", ""]).encode() + body


class Connection:
    """One connection to the API, kept open. For one thread."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()

    def upload(self, request: bytes) -> UUID:
        """Send a request of upload_request's; returns the image's id. Raises RequestFailed unless the answer is a 201."""
        return msgspec.json.decode(self._exchange(request, 201), type=Accepted).id

    def wait_for_result(self, image_id: UUID, seconds: int = 30) -> bytes:
        """The processed picture, as soon as it is there."""
        request = f"GET /api/v1/images/{image_id} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nPrefer: wait={seconds}\r\n\r\n"
        return self._exchange(request.encode(), 200)

    def delete(self, image_id: UUID) -> None:
        """Delete the image; what was still to be made of it is not made."""
        self._exchange(f"DELETE /api/v1/images/{image_id} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n\r\n".encode(), 200)

    def _exchange(self, request: bytes, status: int) -> bytes:
        self._socket.sendall(request)
        received = bytearray()
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._more()
        head, body = bytes(received[:end]), received[end + 4 :]
        length = _content_length(head)
        while len(body) < length:
            body += self._more()
        if not head.startswith(f"HTTP/1.1 {status} ".encode()):
            raise RequestFailed(f"{head.splitlines()[0].decode()} {bytes(body[:500]).decode(errors='replace')}")
        return bytes(body)

    def _more(self) -> bytes:
        more = self._socket.recv(2**18)
        if not more:
            raise RequestFailed("the API closed the connection")
        return more


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0
