"""An offer to upgrade changes nothing: the request's body arrives, and so do the requests after it."""

import httptools
import pytest

from internal.http.server.upgrades import IgnoringUpgrades

OFFER = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAA\r\n"


class Protocol:
    """Keeps what a parser tells, as uvicorn's protocol does: a line and a body for each request."""

    def __init__(self) -> None:
        self.requests: list[tuple[bytes, bytes, bool]] = []
        self.begun = 0

    def on_message_begin(self) -> None:
        self.begun += 1
        self._url, self._body = b"", b""
        self.headers: list[tuple[bytes, bytes]] = []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        pass

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self.requests.append((self._url, self._body, any(name == b"upgrade" for name, _ in self.headers)))


def _read(stream: bytes, piece: int) -> Protocol:
    protocol = Protocol()
    parser = IgnoringUpgrades(protocol)
    for start in range(0, len(stream), piece):
        parser.feed_data(stream[start : start + piece])
        assert not parser.should_upgrade()
    return protocol


def _by_length(path: bytes, body: bytes, *more: bytes) -> bytes:
    return b"POST %s HTTP/1.1\r\nhost: x\r\n%sContent-Length: %d\r\n\r\n%s" % (path, b"".join(more), len(body), body)


def _chunked(path: bytes, body: bytes, *more: bytes) -> bytes:
    head = b"POST %s HTTP/1.1\r\nhost: x\r\n%sTransfer-Encoding: chunked\r\n\r\n" % (path, b"".join(more))
    return head + b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"


def _without_body(path: bytes, *more: bytes) -> bytes:
    return b"GET %s HTTP/1.1\r\nhost: x\r\n%s\r\n" % (path, b"".join(more))


@pytest.mark.parametrize("piece", [1, 2, 7, 10_000])
def test_a_request_that_offers_an_upgrade_is_read_whole(piece: int) -> None:
    """httptools 0.9.0 by itself raises at each offer and forgets the body."""
    looks_like_a_request = _without_body(b"/smuggled")
    stream = b"".join(
        [
            _by_length(b"/1", b"a body", OFFER),
            _without_body(b"/2"),
            _chunked(b"/3", looks_like_a_request, OFFER),
            _without_body(b"/4", OFFER),
            _by_length(b"/5", b"", OFFER),
            _by_length(b"/6", looks_like_a_request, OFFER),
            _by_length(b"/7", b"plain"),
        ]
    )
    protocol = _read(stream, piece)
    assert protocol.requests == [
        (b"/1", b"a body", True),
        (b"/2", b"", False),
        (b"/3", looks_like_a_request, True),
        (b"/4", b"", True),
        (b"/5", b"", True),
        (b"/6", looks_like_a_request, True),
        (b"/7", b"plain", False),
    ]
    assert protocol.begun == 7


@pytest.mark.parametrize("rest", [b"no chunk\r\n", b"5\r\nhello world\r\n"])
def test_a_body_that_is_no_http_is_an_error_behind_an_offer_too(rest: bytes) -> None:
    head = b"POST / HTTP/1.1\r\nhost: x\r\n%stransfer-encoding: chunked\r\n\r\n" % OFFER
    for stream in (head + rest, head):
        protocol = Protocol()
        parser = IgnoringUpgrades(protocol)
        with pytest.raises(httptools.HttpParserError):  # noqa: PT012 - in one piece or in two
            parser.feed_data(stream)
            parser.feed_data(rest)
        assert protocol.requests == []


@pytest.mark.parametrize("framing", [b"content-length: 4\r\ntransfer-encoding: chunked\r\n", b"content-length: 4\r\n" * 2])
def test_two_lengths_are_an_error_behind_an_offer_too(framing: bytes) -> None:
    """What two readers could understand differently."""
    with pytest.raises(httptools.HttpParserError):
        _read(b"POST / HTTP/1.1\r\nhost: x\r\n%s%s\r\nbody" % (OFFER, framing), 10_000)


def test_as_many_requests_as_fit_into_one_read_may_offer_an_upgrade() -> None:
    stream = _without_body(b"/", OFFER) * 3000
    assert len(_read(stream, len(stream)).requests) == 3000
