"""Where an issuer's keys are found, and whose word is not taken for it."""

import msgspec
import pytest

from internal.identity.tokens.discovery import IssuerKeys, metadata_urls
from internal.ports.outgoing import FetchFailed

KEYS = b'{"keys": []}'


class Servers:
    """Documents by URL; any other is a 404."""

    def __init__(self, **documents: bytes) -> None:
        self.documents = documents
        self.asked: list[str] = []

    async def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        if url not in self.documents:
            raise FetchFailed(f"{url} answers with 404", status=404)
        return self.documents[url]


def metadata(issuer: str, jwks_uri: str = "https://keys.example/set") -> bytes:
    return msgspec.json.encode({"issuer": issuer, "jwks_uri": jwks_uri, "token_endpoint": None})


@pytest.mark.parametrize(
    ("issuer", "first", "second"),
    [
        ("https://a.example", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"),
        ("https://a.example/", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"),
        (
            "https://a.example/realms/x",
            "/realms/x/.well-known/openid-configuration",
            "/.well-known/oauth-authorization-server/realms/x",
        ),
    ],
)
def test_the_metadata_are_where_both_standards_say(issuer: str, first: str, second: str) -> None:
    assert list(metadata_urls(issuer)) == [f"https://a.example{first}", f"https://a.example{second}"]


@pytest.mark.parametrize("number", [0, 1])
async def test_either_metadata_lead_to_the_keys(number: int) -> None:
    issuer = "https://a.example/realms/x"
    found = list(metadata_urls(issuer))[number]
    servers = Servers(**{found: metadata(issuer), "https://keys.example/set": KEYS})

    assert await IssuerKeys(servers, issuer).fetch() == KEYS
    assert servers.asked[-2:] == [found, "https://keys.example/set"]


@pytest.mark.parametrize("other", ["https://a.example/", "https://A.example", "http://a.example", "https://evil.example", ""])
async def test_metadata_of_another_issuer_are_refused(other: str) -> None:
    issuer = "https://a.example"
    servers = Servers(**{next(metadata_urls(issuer)): metadata(other), "https://keys.example/set": KEYS})

    with pytest.raises(FetchFailed, match=r"JWT_ISSUER is 'https://a\.example'"):
        await IssuerKeys(servers, issuer).fetch()
    assert servers.asked == list(metadata_urls(issuer))[:1]


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b'{"issuer": "https://a.example"}', b'{"issuer": 5, "jwks_uri": "x"}'])
async def test_what_are_no_metadata_is_an_error(document: bytes) -> None:
    servers = Servers(**{next(metadata_urls("https://a.example")): document})

    with pytest.raises(FetchFailed, match="no metadata"):
        await IssuerKeys(servers, "https://a.example").fetch()


async def test_an_issuer_without_metadata_is_named_with_its_first_address() -> None:
    with pytest.raises(FetchFailed, match=r"openid-configuration answers with 404$"):
        await IssuerKeys(Servers(), "https://a.example").fetch()


async def test_a_configured_address_needs_no_metadata() -> None:
    servers = Servers(**{"https://keys.example/set": KEYS})

    assert await IssuerKeys(servers, "any text", "https://keys.example/set").fetch() == KEYS
    assert servers.asked == ["https://keys.example/set"]
