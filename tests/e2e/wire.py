"""HTTP by hand, for what no HTTP library would do: stop in the middle, or announce more than is sent."""

import json
import socket
from http.client import HTTPResponse
from typing import Any, Self

from msgspec import Struct

BOUNDARY = "e2e-boundary"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


def opening(name: str = "image") -> bytes:
    """A form's first bytes, up to where a picture's begin."""
    return f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="{name}"; filename="a.jpg"\r\n\r\n'.encode()


def closing() -> bytes:
    return f"\r\n--{BOUNDARY}--\r\n".encode()


class Answer(Struct, frozen=True):
    status: int
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """One connection; leaving it hangs up. `authorization`: the credential, if one is asked for."""

    def __init__(self, place: tuple[str, int], authorization: str = "") -> None:
        self._socket = socket.create_connection(place, timeout=20)
        self._credential = {"authorization": authorization} if authorization else {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def post(self, path: str, headers: dict[str, str], body: bytes) -> None:
        """Send a head and these bytes, whatever the head says of them."""
        fields = {"host": "e2e"} | self._credential | headers
        lines = [f"POST {path} HTTP/1.1", *[f"{name}: {value}" for name, value in fields.items()]]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def send(self, more: bytes) -> None:
        """More of a body that was begun."""
        self._socket.sendall(more)

    def first_status(self) -> int:
        """Of the first answer that comes, which may be a 100."""
        with self._socket.makefile("rb") as lines:
            return int(lines.readline().split()[1])

    def answer(self) -> Answer:
        with HTTPResponse(self._socket) as response:
            response.begin()
            return Answer(response.status, response.read())
