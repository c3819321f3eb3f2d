"""An issuer of tokens: keys made here, tokens signed with them, and its documents over HTTP on this machine."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey | Ed448PrivateKey

ISSUER = "https://issuer.example"
AUDIENCE = "images"
SECRET = "0123456789abcdef0123456789abcdef"
DISCOVERY = "/.well-known/openid-configuration"
JWKS = "/keys"


def key_pair(kind: str, number: int = 0) -> PrivateKey:
    """A private key: RSA, RSA-1024, P-256, P-384, Ed25519 or Ed448; another one for each number. Made once a process."""
    return _made(kind, number)


@cache
def _made(kind: str, _number: int) -> PrivateKey:
    match kind:
        case "RSA":
            return generate_rsa_key(65537, 2048)
        case "RSA-1024":
            return generate_rsa_key(65537, 1024)  # noqa: S505 - to be refused
        case "P-256":
            return generate_private_key(SECP256R1())
        case "P-384":
            return generate_private_key(SECP384R1())
        case "Ed448":
            return Ed448PrivateKey.generate()
    return Ed25519PrivateKey.generate()


def pem(key: PrivateKey) -> bytes:
    """The public key, as `openssl pkey -pubout` writes it."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def jwk(key: PrivateKey, **members: Any) -> dict[str, Any]:
    """The public key as a JWK. A member that is None is left out."""
    name = "RS256" if isinstance(key, RSAPrivateKey) else "ES256" if isinstance(key, EllipticCurvePrivateKey) else "EdDSA"
    made: dict[str, Any] = jwt.get_algorithm_by_name(name).to_jwk(key.public_key(), as_dict=True) | {"use": "sig"} | members
    return {name: value for name, value in made.items() if value is not None}


class In(float):
    """A time in so many seconds from when the token is made."""


def claims(**changes: Any) -> dict[str, Any]:
    """The claims of a good token. A claim that is `...` is left out."""
    now = time.time()
    usual: dict[str, Any] = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": int(now), "exp": int(now) + 600, "jti": "t-1"}
    made = usual | {"scope": "images:read"} | changes
    return {name: now + value if isinstance(value, In) else value for name, value in made.items() if value != ...}


def token(key: Any = SECRET, algorithm: str = "HS256", headers: dict[str, Any] | None = None, **changes: Any) -> str:
    """A signed access token."""
    return jwt.encode(claims(**changes), key, algorithm, headers={"typ": "at+jwt", **(headers or {})})


class Issuer:
    """The documents of an issuer. `requests` counts by path; `failing`: every answer is a 503."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.documents: dict[str, tuple[int, bytes, dict[str, str]]] = {}
        self.requests: Counter[str] = Counter()
        self.failing = False

    def publish(self, *keys: Any) -> None:
        """Publish a JWK Set with these members, and metadata that name it."""
        self.put(JWKS, {"keys": list(keys)})
        self.put(DISCOVERY, {"issuer": self.address, "jwks_uri": f"{self.address}{JWKS}"})

    def put(self, path: str, document: Any, status: int = 200, **headers: str) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.documents[path] = (status, body, headers)

    def answer(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        self.requests[path] += 1
        return (503, b"", {}) if self.failing else self.documents.get(path, (404, b"", {}))


@contextmanager
def serving_issuer() -> Iterator[Issuer]:
    """An issuer over HTTP on a free port of this machine, while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body, headers = issuer.answer(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer = Issuer(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()
