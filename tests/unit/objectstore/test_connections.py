"""Connections to an S3 server: timeouts bound the progress, and not the whole part."""

import socket
from typing import Any

import pytest
import urllib3
from msgspec.structs import replace

from internal.objectstore.s3.connections import SEND_CHUNK, connections
from internal.objectstore.s3.settings import MinioSettings
from internal.runtime.secret import NO_SECRET

SETTINGS = MinioSettings(
    host="localhost",
    port=1,
    access_key="",
    secret_key=NO_SECRET,
    root_user="",
    root_password=NO_SECRET,
    bucket="images",
    secure=False,
    region="us-east-1",
    threads=1,
    connect_seconds=2,
    timeout_seconds=10,
)


class Line:
    """A socket that records the sent bytes. A real socket's timeout bounds the whole call."""

    def __init__(self) -> None:
        self.calls: list[bytes] = []

    def sendall(self, data: bytes) -> None:
        self.calls.append(bytes(data))

    def settimeout(self, seconds: float) -> None: ...
    def close(self) -> None: ...


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("size", [0, 1, SEND_CHUNK, SEND_CHUNK + 1, 8 * SEND_CHUNK])
def test_a_body_goes_out_in_pieces(scheme: str, size: int) -> None:
    line: Any = Line()
    connection: Any = connections(SETTINGS, 1).connection_from_host("localhost", 1, scheme=scheme)._new_conn()
    connection.sock = line
    body = bytearray(bytes(range(256)) * (size // 256 + 1))[:size]

    connection.request("PUT", "/images/key", body=body)

    head, _, sent = b"".join(line.calls).partition(b"\r\n\r\n")
    assert sent == body
    assert f"content-length: {size}" in head.decode().lower()
    assert max(len(call) for call in line.calls) <= SEND_CHUNK
    connection.close()


def test_a_server_that_takes_nothing_is_tried_once() -> None:
    with socket.create_server(("localhost", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        server.settimeout(0)
        impatient = connections(replace(SETTINGS, connect_seconds=0.2), 1)

        with pytest.raises(urllib3.exceptions.HTTPError):
            impatient.request("PUT", f"http://localhost:{server.getsockname()[1]}/images/key", body=bytes(64 * SEND_CHUNK))

        accepted, _ = server.accept()
        accepted.close()
        with pytest.raises(BlockingIOError):
            server.accept()
        impatient.clear()
