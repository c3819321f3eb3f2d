"""Requests that offer to speak another protocol: the offer is ignored, and the request is read as what it is (RFC 9110, 7.8).

Java's HttpClient offers HTTP/2 with every first request (`Upgrade: h2c`), also one that has a body. httptools 0.9.0 stops behind
the head of such a request as if the offer had been accepted, and uvicorn 0.54.0 then hands on the request without its body
(https://github.com/Kludex/uvicorn/issues/2722). Here a second parser goes on where the first one stopped.
"""

from typing import Any

import httptools

CALLBACKS = ("on_message_begin", "on_url", "on_header", "on_headers_complete", "on_body")
FRAMING = (b"content-length", b"transfer-encoding")


class IgnoringUpgrades:
    """httptools' parser of requests for uvicorn's `protocol`, which gets the callbacks as if no upgrade had been offered."""

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        for callback in CALLBACKS:  # straight to the protocol: only the last one is ours
            setattr(self, callback, getattr(protocol, callback))
        self._parser = _parser(self)

    def get_http_version(self) -> str:
        return self._parser.get_http_version()

    def get_method(self) -> bytes:
        return self._parser.get_method()

    def should_keep_alive(self) -> bool:
        return self._parser.should_keep_alive()

    def should_upgrade(self) -> bool:
        return False

    def feed_data(self, data: bytes | memoryview) -> None:
        """Raises HttpParserError for what is no request; never HttpParserUpgrade."""
        rest = memoryview(data)
        while rest:  # any number of requests may offer an upgrade
            try:
                self._parser.feed_data(rest)
                return
            except httptools.HttpParserUpgrade as stopped:
                self._resume()
                rest = rest[stopped.args[0] :]

    def on_message_complete(self) -> None:
        if not self._parser.should_upgrade():  # else its body is still to come, or `_resume` says that there is none
            self._protocol.on_message_complete()

    def _resume(self) -> None:
        """Behind the head of a request that offered an upgrade: what comes next is its body or, when it has none, a request."""
        framing = [b"%s: %s\r\n" % (name, value) for name, value in self._protocol.headers if name in FRAMING]
        if framing:
            self._parser = _parser(_AfterHead(self))
            self._parser.feed_data(b"POST / HTTP/1.1\r\n%s\r\n" % b"".join(framing))
        else:
            self._parser = _parser(self)
            self._protocol.on_message_complete()


class _AfterHead:
    """`callbacks` without those of the first head, which is there only to say how long the body is."""

    def __init__(self, callbacks: IgnoringUpgrades) -> None:
        self._callbacks: Any = callbacks
        self._passed = False

    def __getattr__(self, name: str) -> Any:
        """Each callback, as httptools asks for it."""
        callback = getattr(self._callbacks, name)

        def after_head(*given: bytes) -> None:
            if self._passed:
                callback(*given)
            elif name == "on_headers_complete":
                self._passed = True

        return after_head


def _parser(callbacks: Any) -> httptools.HttpRequestParser:
    parser = httptools.HttpRequestParser(callbacks)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn sets it
    return parser
