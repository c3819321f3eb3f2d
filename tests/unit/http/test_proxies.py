"""The client behind trusted proxies: its address, scheme and host."""

import time
from typing import Any

import pytest

from internal.http.asgi import Receive, Scope, Send
from internal.http.middleware.proxies import MAX_HOPS, TrustedProxies
from internal.http.networks import Networks
from internal.settings.loader import load_settings

TRUSTED = Networks(load_settings({"TRUSTED_PROXIES": "10.0.0.0/8, 192.0.2.1,2001:db8:1::/48"}).middleware.proxies)
PROXY, OUTER, CLIENT, SPOOFED = "10.0.0.1", "10.9.9.9", "203.0.113.9", "198.51.100.66"

Fields = list[tuple[str, str]]


async def origin(fields: Fields, peer: str | None = PROXY) -> dict[str, Any]:
    """The scope that the application gets: its client, scheme and host."""
    seen: dict[str, Any] = {}

    async def app(scope: Scope, _: Receive, __: Send) -> None:
        hosts = [value.decode() for name, value in scope["headers"] if name == b"host"]
        seen.update(client=None if scope["client"] is None else scope["client"][0], scheme=scope["scheme"], hosts=hosts)

    headers = [(b"host", b"inside"), *((name.encode(), value.encode("latin-1")) for name, value in fields)]
    scope = {"type": "http", "client": None if peer is None else (peer, 5), "scheme": "http", "headers": headers}
    await TrustedProxies(app, TRUSTED)(scope, None, None)  # type: ignore[arg-type]  # it neither receives nor sends
    return seen


def x_for(*lines: str) -> Fields:
    return [("x-forwarded-for", line) for line in lines]


def forwarded(*lines: str) -> Fields:
    return [("forwarded", line) for line in lines]


@pytest.mark.parametrize(
    "fields",
    [
        x_for(CLIENT),
        x_for(f"{SPOOFED}, {CLIENT}"),
        x_for(SPOOFED, CLIENT),  # two lines are one list
        x_for(f"{SPOOFED},{CLIENT}, {OUTER}"),
        x_for(f"{SPOOFED}, {PROXY}, {CLIENT}, {OUTER}, {PROXY}"),  # addresses of proxies, left of the client, prove nothing
        x_for(f"unknown, {CLIENT}"),
        x_for(f", ,{CLIENT} , "),
        x_for(f"{CLIENT}:4711"),
        x_for(f"::ffff:{CLIENT}"),
        x_for(f"{CLIENT}, ::ffff:{OUTER}"),
        x_for(f"{CLIENT}, [2001:db8:1::7]:443"),
        x_for(f"{CLIENT},2001:db8:1::7"),
        forwarded(f"for={CLIENT}"),
        forwarded(f"For={CLIENT};PROTO=http;by={PROXY}"),
        forwarded(f'for={SPOOFED}, for="{CLIENT}:4711"'),
        forwarded(f"for={SPOOFED}", f"for={CLIENT}; proto=http"),
        forwarded(f"for={CLIENT}, for={OUTER}"),
        forwarded(f'for={CLIENT}, for="[2001:db8:1::7]:443"'),
        forwarded(f'for=_hidden, for={CLIENT};by="_a,b;c\\"d"'),
        forwarded(f'for="{SPOOFED}', f"for={CLIENT}"),  # a line that is not well-formed, and the proxy's own
        forwarded(f"for={CLIENT}") + x_for(f"{SPOOFED}, {CLIENT}"),
    ],
)
async def test_the_client_is_the_first_that_is_not_trusted(fields: Fields) -> None:
    assert (await origin(fields))["client"] == CLIENT


@pytest.mark.parametrize(
    ("fields", "client"),
    [
        ([], PROXY),
        (x_for(""), PROXY),
        (x_for("unknown"), PROXY),
        (x_for(f"{SPOOFED}, unknown"), PROXY),
        (x_for(f"{SPOOFED}, unknown, {OUTER}"), OUTER),
        (x_for(f"{SPOOFED}, unix:"), PROXY),
        (x_for(f"{SPOOFED}, 1.2.3.4.5"), PROXY),
        (x_for("fe80::1%a\x1b[31m"), PROXY),
        (x_for("[203.0.113.9"), PROXY),
        (x_for(OUTER), OUTER),  # a client inside
        (x_for(f"10.2.2.2, {OUTER}"), "10.2.2.2"),
        (forwarded("for=unknown"), PROXY),
        (forwarded("for=_hidden"), PROXY),
        (forwarded('for="_hidden:_port"'), PROXY),
        (forwarded("proto=https;by=_x"), PROXY),
        (forwarded(f"for={SPOOFED}, proto=http, for={OUTER}"), OUTER),
        (forwarded(f"for={SPOOFED};for={CLIENT}"), PROXY),  # a parameter may be there once
        (forwarded(f"for={SPOOFED} for={CLIENT}"), PROXY),
        (forwarded(f"for={CLIENT}", f'for={SPOOFED};x="'), PROXY),
        (forwarded("x" * 5000), PROXY),
        # An open quotation mark never swallows what the proxy appends in the same line.
        (forwarded(f'for={SPOOFED};x=", for={CLIENT}'), PROXY),
        (forwarded(f'for={SPOOFED};x=", for="[2001:db8::9]:1"'), PROXY),
        (forwarded(f'for={SPOOFED};x="\\, for="{CLIENT}:1"'), PROXY),
        # Two headers that say different things: a proxy writes one of them only.
        (forwarded(f"for={SPOOFED}") + x_for(CLIENT), PROXY),
        (forwarded(f"for={CLIENT}") + x_for(SPOOFED), PROXY),
        (forwarded(f'for="{SPOOFED}') + x_for(CLIENT), PROXY),
    ],
)
async def test_a_hop_that_names_nobody_leaves_the_last_proxy(fields: Fields, client: str) -> None:
    """All such requests count as one client's."""
    assert (await origin(fields))["client"] == client


@pytest.mark.parametrize("peer", [CLIENT, "192.0.2.2", "2001:db8:2::1", "11.0.0.1", "", "10.0.0.1.evil", None])
async def test_nothing_is_believed_from_a_peer_that_is_not_trusted(peer: str | None) -> None:
    fields = [*x_for(SPOOFED), *forwarded(f"for={SPOOFED};proto=https;host=evil.example")]
    fields += [("x-forwarded-proto", "https"), ("x-forwarded-host", "evil.example")]

    assert await origin(fields, peer) == {"client": peer, "scheme": "http", "hosts": ["inside"]}


@pytest.mark.parametrize("peer", ["10.255.0.1", "192.0.2.1", "2001:db8:1:ffff::1", "::ffff:10.0.0.1"])
async def test_trusted_peers(peer: str) -> None:
    assert (await origin(x_for(CLIENT), peer))["client"] == CLIENT


def x_set(**fields: str) -> Fields:
    return [(f"x-forwarded-{name}", value) for name, value in fields.items()]


@pytest.mark.parametrize(
    ("fields", "scheme", "host"),
    [
        (x_set(proto="https", host="images.example:8443"), "https", "images.example:8443"),
        (x_set(proto="HTTPS"), "https", "inside"),
        (x_set(proto="http, https"), "https", "inside"),  # the last is the peer's
        (x_set(proto="https, http", host="evil.example, images.example"), "http", "images.example"),
        ([("x-forwarded-proto", "https"), ("x-forwarded-proto", "http")], "http", "inside"),
        (x_set(proto="ftp", host="a b"), "http", "inside"),
        (x_set(host="images.example/../"), "http", "inside"),
        (x_set(host="[2001:db8::1]:80"), "http", "[2001:db8::1]:80"),
        (forwarded(f"for={CLIENT};proto=https;host=images.example"), "https", "images.example"),
        (
            forwarded(f'for={CLIENT};proto=https;host="images.example:8443", for={OUTER};proto=http'),
            "https",
            "images.example:8443",
        ),
        (forwarded(f"for={SPOOFED};proto=https;host=evil.example, for={CLIENT};proto=http"), "http", "inside"),
        (forwarded(f"for={CLIENT};proto=https;host=evil") + x_set(proto="http", host="images.example"), "http", "inside"),
        (forwarded(f"for={CLIENT}") + x_set(proto="https", host="images.example"), "https", "images.example"),
        (forwarded("proto=https;host=images.example"), "https", "images.example"),
    ],
)
async def test_scheme_and_host_are_those_of_the_trusted_hop(fields: Fields, scheme: str, host: str) -> None:
    seen = await origin(fields)

    assert (seen["scheme"], seen["hosts"]) == (scheme, [host])


async def test_headers_without_end_cost_little() -> None:
    """Each has 64 KiB, the most that a request's head may have."""
    endless = [x_for("," * 65000), x_for(f"{OUTER}," * 7000), forwarded(*["a=b"] * 100), forwarded("for=10.0.0.1," * 5000)]
    endless += [forwarded('a="' + "\\a" * 2000), forwarded("=" * 4096), forwarded(" " * 4096), forwarded("a=b" + " " * 4000)]
    began = time.process_time()
    for fields in endless:
        assert (await origin(fields))["client"] in (PROXY, OUTER)
    assert time.process_time() - began < 2, "as much as a client can make of one request"


async def test_a_way_has_an_end() -> None:
    assert (await origin(x_for(", ".join([CLIENT, *[OUTER] * (MAX_HOPS - 1)]))))["client"] == CLIENT
    assert (await origin(x_for(", ".join([CLIENT, *[OUTER] * (MAX_HOPS + 1)]))))["client"] == OUTER
