"""Trusted hosts and HTTPS only."""

from typing import Any

import pytest

from internal.http.asgi import Message, Receive, Scope, Send
from internal.http.middleware.hosts import TrustedHosts
from internal.http.middleware.https import HttpsRedirect

NAMES = {"images.example", "*.example.org", "192.0.2.1", "[2001:db8::1]"}


async def _app(_: Scope, __: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


async def ask(
    app: Any, *hosts: str, path: str = "/api/v1/images", query: str = "", scheme: str = "http", raw_path: str = ""
) -> tuple[int, dict[str, str]]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "scheme": scheme,
        "path": path,
        "raw_path": (raw_path or path).encode(),
        "query_string": query.encode(),
        "headers": [(b"host", host.encode("latin-1")) for host in hosts],
    }
    await app(scope, None, send)
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


@pytest.mark.parametrize(
    "host",
    [
        "images.example",
        "IMAGES.example",
        "images.example:8443",
        "images.example.",
        "a.example.org",
        "a.b.example.org:80",
        "192.0.2.1:8080",
        "[2001:db8::1]",
        "[2001:DB8::1]:443",
    ],
)
async def test_a_trusted_host(host: str) -> None:
    assert (await ask(TrustedHosts(_app, NAMES), host))[0] == 200


@pytest.mark.parametrize(
    "hosts",
    [
        ("evil.example",),
        ("images.example.evil",),
        ("notimages.example",),
        ("example.org",),  # not below itself
        ("evilexample.org",),
        ("evil.example#.example.org",),
        ("images.example@evil.example",),
        ("images.example:80@evil.example",),
        ("images.example:port",),
        ("images.example, evil.example",),
        ("images.example", "images.example"),  # RFC 9112, 3.2: once
        ("",),
        (),
        ("\xefmages.example",),
    ],
)
async def test_another_host_is_refused(hosts: tuple[str, ...]) -> None:
    status, fields = await ask(TrustedHosts(_app, NAMES), *hosts)

    assert (status, fields["content-type"]) == (400, "application/problem+json")


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/metrics"])
async def test_machines_come_to_an_address(path: str) -> None:
    assert (await ask(TrustedHosts(_app, NAMES), "10.0.0.7:8080", path=path))[0] == 200
    assert await ask(HttpsRedirect(_app), "10.0.0.7:8080", path=path) == (200, {})


@pytest.mark.parametrize(
    ("host", "path", "query", "location"),
    [
        ("images.example", "/api/v1/images", "", "https://images.example/api/v1/images"),
        ("Images.Example:8080", "/api/v1/images", "limit=2&a=%2F", "https://images.example/api/v1/images?limit=2&a=%2F"),
        ("[2001:db8::1]:80", "/docs", "", "https://[2001:db8::1]/docs"),
        ("images.example", "//evil.example", "", "https://images.example//evil.example"),
        ("images.example", "*", "", "https://images.example/"),
        ("images.example", "@evil.example", "", "https://images.example/"),
        ("images.example", "/a?x#y", "x", "https://images.example/a?x"),
    ],
)
async def test_http_is_sent_to_https(host: str, path: str, query: str, location: str) -> None:
    status, fields = await ask(HttpsRedirect(_app), host, raw_path=path, query=query)

    assert (status, fields["location"]) == (308, location)
    assert "strict-transport-security" not in fields, "RFC 6797, 7.2: over https only"


@pytest.mark.parametrize("hosts", [(), ("a b",), ("images.example/x",), ("a", "b")])
async def test_without_a_host_there_is_no_place_to_be_sent_to(hosts: tuple[str, ...]) -> None:
    assert (await ask(HttpsRedirect(_app), *hosts))[0] == 400


async def test_https_is_answered_and_remembered() -> None:
    status, fields = await ask(HttpsRedirect(_app), "images.example", scheme="https")

    assert status == 200
    assert fields["strict-transport-security"] == "max-age=31536000"
