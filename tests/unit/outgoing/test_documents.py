"""Small documents of other servers: over https, of limited size and time, without redirects."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from internal.domain.urls import is_secure
from internal.outgoing.documents import MAX_BYTES, Documents, open_documents, tls_context
from internal.ports.outgoing import FetchFailed
from tests.services.issuer import Issuer, key_pair, serving_issuer
from tests.services.reachable import free_port


@pytest.fixture
def server() -> Iterator[Issuer]:
    with serving_issuer() as server:
        yield server


@pytest.fixture
async def documents(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Documents]:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with open_documents(tls_context()) as documents:
        yield documents


async def test_a_document_comes_whole(documents: Documents, server: Issuer) -> None:
    server.put("/a", b"x" * MAX_BYTES)

    assert await documents.fetch(f"{server.address}/a") == b"x" * MAX_BYTES


@pytest.mark.parametrize(
    ("status", "body", "headers", "says"),
    [
        (200, b"x" * (MAX_BYTES + 1), {}, "more than 524288 bytes"),
        (200, gzip.compress(b"x" * 100, mtime=0), {"Content_Encoding": "gzip"}, "Content-Encoding"),
        (204, b"", {}, "answers with 204"),
        (404, b"", {}, "answers with 404"),
        (301, b"", {"Location": "http://203.0.113.1/"}, "301 to http://203.0.113.1/: name that address"),
    ],
)
async def test_any_other_answer_fails(
    documents: Documents, server: Issuer, status: int, body: bytes, headers: dict[str, str], says: str
) -> None:
    server.put("/a", body, status, **headers)

    with pytest.raises(FetchFailed, match=says) as failed:
        await documents.fetch(f"{server.address}/a")
    assert failed.value.status == (None if status == 200 else status)


async def test_a_server_that_is_not_there_fails(documents: Documents) -> None:
    with pytest.raises(FetchFailed, match="can't be fetched"):
        await documents.fetch(f"http://127.0.0.1:{free_port()}/")


@pytest.mark.parametrize("sends", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"])
async def test_a_server_that_says_no_more_is_given_up(sends: bytes) -> None:
    ended = asyncio.Event()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sends)
        await ended.wait()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with open_documents(tls_context(), seconds=0.3) as documents:
            with pytest.raises(FetchFailed, match=r"did not answer within 0\.3 s|can't be fetched: .*[Tt]imeout"):
                await documents.fetch(url)
        ended.set()


@pytest.mark.parametrize(
    ("url", "secure"),
    [
        ("https://issuer.example/keys", True),
        ("https://issuer.example:8443", True),
        ("https://[2001:db8::1]/", True),
        ("http://127.0.0.1:8080/keys", True),
        ("http://127.8.9.1/", True),
        ("http://[::1]:8080/", True),
        ("http://localhost:8080/", True),
        ("http://issuer.example/keys", False),
        ("http://localhost.evil.example/", False),
        ("http://127.0.0.1.evil.example/", False),
        ("http://127.0.0.1@evil.example/", False),
        ("https://user:word@issuer.example/", False),
        ("https:///keys", False),
        ("https://issuer.example:port/", False),
        ("https://issuer.example:99999/", False),
        ("https://[::1", False),
        ("https://issuer.example/a b", False),
        ("https://issuer.example/\r\nHost: x", False),
        ("ftp://127.0.0.1/", False),
        ("file:///etc/passwd", False),
        ("keys", False),
        ("", False),
    ],
)
async def test_only_https_is_secure_and_what_is_not_is_not_asked(documents: Documents, url: str, secure: bool) -> None:
    assert is_secure(url) == secure
    if not secure:
        with pytest.raises(FetchFailed, match="no https address"):
            await documents.fetch(url)


def test_http_to_other_machines_can_be_allowed() -> None:
    assert is_secure("http://keycloak:8080/realms/x", allow_http=True)
    assert not is_secure("http://user@keycloak:8080/", allow_http=True)
    assert not is_secure("ftp://keycloak/", allow_http=True)


def test_a_file_without_certificates_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    with pytest.raises(OSError, match="No such file"):
        tls_context(str(file))
    file.write_text("no certificate")
    with pytest.raises(ssl.SSLError):
        tls_context(str(file))


async def test_https_is_trusted_by_the_given_certificates_only(tmp_path: Path) -> None:
    """A CA of one's own: without its file the document is not taken, and a name that is not the certificate's neither."""
    certificate, key = own_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        async with open_documents(tls_context(str(certificate))) as trusting:
            assert await trusting.fetch(f"https://localhost:{port}/") == b"{}"
            with pytest.raises(FetchFailed, match="can't be fetched"):
                await trusting.fetch(f"https://127.0.0.1:{port}/")
        async with open_documents(tls_context()) as strict:
            with pytest.raises(FetchFailed, match="can't be fetched"):
                await strict.fetch(f"https://localhost:{port}/")


def own_certificate(folder: Path) -> tuple[Path, Path]:
    """Files of a certificate for `localhost`, which is its own CA, and of its key."""
    key = key_pair("P-256")
    assert isinstance(key, EllipticCurvePrivateKey)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - timedelta(1), now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files
