"""The client behind trusted proxies: its address, scheme and host, from `Forwarded` (RFC 7239) or `X-Forwarded-…`.

Every proxy appends what it saw, so these headers are read from the right, and only as far as a trusted hop wrote them: the
connection's peer first, then the address that it names, if that is trusted too, and so on. The first address that is not trusted
is the client. What stands left of it is the client's own text, and is ignored.

A hop that names no address (`unknown`, an obfuscated identifier, a header that is not well-formed) ends the way: the request then
counts as that of the last trusted proxy. So does a request whose two headers name different clients: a proxy writes one of them
and passes on the other as its client sent it, and nobody can tell which.
"""

import re
from collections.abc import Iterator
from itertools import islice

from msgspec import Struct

from internal.http.asgi import App, Receive, Scope, Send
from internal.http.networks import Networks, address_from

MAX_HOPS = 32
"""Proxies that one request may have passed; more are not looked at."""

MAX_LINE = 4096
"""Characters of one line of `Forwarded`; a longer one counts as not well-formed."""

_IPV4_PORT = re.compile(r"([0-9.]+):[A-Za-z0-9._-]+")
_BRACKETS = re.compile(r"\[([0-9A-Fa-f:.]+)\](:[A-Za-z0-9._-]+)?")
_PAIR = re.compile(r"""[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,;"\\=]+))[ \t]*([,;]|\Z)""")
_HOST = re.compile(r"([A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")


class Hop(Struct, frozen=True):
    """What one proxy says about the request that came to it. None: nothing that can be read."""

    client: str | None = None
    scheme: str | None = None
    host: str | None = None


class TrustedProxies:
    """ASGI middleware, the outermost: sets `client`, `scheme` and the header `host` of the scope.

    INVARIANT: the client's address is never one that an untrusted hop wrote
    (tests/unit/http/test_proxies.py::test_the_client_is_the_first_that_is_not_trusted).
    """

    def __init__(self, app: App, trusted: Networks) -> None:
        self._app, self._trusted = app, trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = scope.get("client")
        if scope["type"] == "http" and peer is not None and peer[0] in self._trusted:
            self._apply(self._origin(peer[0], scope["headers"]), scope)
        await self._app(scope, receive, send)

    def _origin(self, peer: str, headers: list[tuple[bytes, bytes]]) -> Hop:
        """The client as the outermost trusted proxy saw it."""
        lines = {name: [v.decode("latin-1") for n, v in headers if n == name] for name in (b"forwarded", b"x-forwarded-for")}
        standard = self._walk(peer, _forwarded(lines[b"forwarded"])) if lines[b"forwarded"] else None
        usual = self._walk(peer, _x_forwarded(lines[b"x-forwarded-for"])) if lines[b"x-forwarded-for"] else None
        written = Hop(None, _scheme(_last(headers, b"x-forwarded-proto")), _host(_last(headers, b"x-forwarded-host")))
        if standard is None:
            return Hop(usual.client if usual else peer, written.scheme, written.host)
        if usual is not None and usual.client != standard.client:
            return Hop(peer)
        return Hop(standard.client, _agreed(standard.scheme, written.scheme), _agreed(standard.host, written.host))

    def _walk(self, peer: str, hops: Iterator[Hop]) -> Hop:
        """Along `hops`, the nearest first, until one names a client that is not trusted."""
        seen = Hop(peer)
        for hop in islice(hops, MAX_HOPS):
            if hop.client is None:
                return Hop(seen.client, hop.scheme, hop.host)
            seen = hop
            if hop.client not in self._trusted:
                break
        return seen

    @staticmethod
    def _apply(origin: Hop, scope: Scope) -> None:
        if origin.client is not None and origin.client != scope["client"][0]:
            scope["client"] = (origin.client, 0)
        if origin.scheme is not None:
            scope["scheme"] = origin.scheme
        if origin.host is not None:
            others = [(name, value) for name, value in scope["headers"] if name != b"host"]
            scope["headers"] = [(b"host", origin.host.encode()), *others]


def _x_forwarded(lines: list[str]) -> Iterator[Hop]:
    """The hops of `X-Forwarded-For`, the nearest first. Several lines are one list (RFC 9110, 5.3)."""
    for item in reversed(",".join(lines).rsplit(",", MAX_HOPS)):
        if text := item.strip():
            yield Hop(_client(text))


def _forwarded(lines: list[str]) -> Iterator[Hop]:
    """The hops of `Forwarded`, the nearest first. A line that is not well-formed is one hop that names nobody."""
    for line in reversed(lines):
        yield from reversed(_elements(line) or [Hop()])


def _elements(line: str) -> list[Hop] | None:
    """One line of `Forwarded`; None if it is not well-formed.

    The whole line has to be: a client that opens a quotation mark would else swallow what the proxy appends.
    """
    if len(line) > MAX_LINE:
        return None
    elements: list[dict[str, str]] = [{}]
    position = 0
    while position < len(line):
        pair = _PAIR.match(line, position)
        if pair is None or (name := pair[1].lower()) in elements[-1]:
            return None
        elements[-1][name] = re.sub(r"\\(.)", r"\1", pair[2]) if pair[2] is not None else pair[3]
        if pair[4] == ",":
            elements.append({})
        position = pair.end()
    return [Hop(_client(e.get("for", "")), _scheme(e.get("proto")), _host(e.get("host"))) for e in elements if e]


def _client(text: str) -> str | None:
    """The address of a node, without its port. None for `unknown`, `_obfuscated` and anything else that is no address."""
    within = _BRACKETS.fullmatch(text) or _IPV4_PORT.fullmatch(text)
    address = address_from(within[1] if within else text) if "%" not in text else None  # a zone is no address of a client
    return str(address) if address is not None else None


def _last(headers: list[tuple[bytes, bytes]], name: bytes) -> str | None:
    """The last item of a list, which is the peer's: of X-Forwarded-Proto and -Host no other item is known to be a proxy's."""
    value = next((value for field, value in reversed(headers) if field == name), None)
    return value.decode("latin-1").rpartition(",")[2].strip() if value is not None else None


def _scheme(text: str | None) -> str | None:
    return text.lower() if text is not None and text.lower() in ("http", "https") else None


def _host(text: str | None) -> str | None:
    return text if text is not None and _HOST.fullmatch(text) else None


def _agreed(one: str | None, other: str | None) -> str | None:
    """The one that is given, if no different one is."""
    return one if other in (None, one) else other if one is None else None
