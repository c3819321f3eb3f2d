"""docs/running/nginx.md: nginx with the configuration that the page shows, in front of a service with the page's settings."""

import getpass
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
import pytest
from msgspec import Struct

from tests import pictures
from tests.e2e.deployment import MAX_UPLOAD_BYTES, Deployment
from tests.e2e.deployments import standalone, temporary_folder
from tests.e2e.processes import PROJECT
from tests.e2e.wire import FORM, opening
from tests.services.reachable import free_port
from tests.services.tools import tool
from tests.services.waiting import wait_until
from tests.unit.documents.markdown import blocks

PAGE = PROJECT / "docs/running/nginx.md"

AROUND = """
daemon off;
user {user};
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
access_log off;
client_body_temp_path {folder}/body;
proxy_temp_path {folder}/proxy;
fastcgi_temp_path {folder}/fastcgi;
uwsgi_temp_path {folder}/uwsgi;
scgi_temp_path {folder}/scgi;
{block}
}}
"""


NAME = "images.example"
"""The service's name in the page."""


class Front(Struct, frozen=True):
    """nginx as the page has it: its ports, and the certificate that it shows."""

    http: int
    https: int
    certificate: Path

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))

    @contextmanager
    def client(self, address: str = "127.0.0.1") -> Iterator[httpx2.Client]:
        """A client at this address of the machine, who asks for the service by its name."""
        transport = httpx2.HTTPTransport(verify=self.context(), local_address=address)
        base = f"https://127.0.0.1:{self.https}"
        with httpx2.Client(transport=transport, base_url=base, timeout=40, headers={"host": NAME}) as http:
            yield http


def _certificate(folder: Path) -> None:
    """Of the page's name, and of the address at which the test reaches it; signed by itself."""
    files = ["-keyout", str(folder / f"{NAME}.key"), "-out", str(folder / f"{NAME}.pem")]
    names = ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME},IP:127.0.0.1"]
    command = [tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    subprocess.run([*command, *files, *names], check=True, capture_output=True)


@contextmanager
def nginx(folder: Path, service: int) -> Iterator[Front]:
    """The page's configuration, with the ports and files of this test in place of its own."""
    front = Front(free_port(), free_port(), folder / f"{NAME}.pem")
    _certificate(folder)
    (block,) = (text for kind, text in blocks(PAGE) if kind == "nginx")
    for own, ours in {
        "127.0.0.1:8080": f"127.0.0.1:{service}",
        "listen 80;": f"listen 127.0.0.1:{front.http};",
        "listen 443 ssl": f"listen 127.0.0.1:{front.https} ssl",
        "/etc/nginx/": f"{folder}/",
    }.items():
        assert own in block
        block = block.replace(own, ours)
    configuration = folder / "nginx.conf"
    configuration.write_text(AROUND.format(folder=folder, block=block, user=getpass.getuser()), encoding="utf-8")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([tool("nginx"), "-p", folder, "-c", configuration], stdout=log, stderr=log)
        try:
            wait_until(lambda: (folder / "pid").exists() or process.poll() is not None, 10)
            assert process.poll() is None, (folder / "log").read_text()
            yield front
        finally:
            process.terminate()
            process.wait(10)


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Deployment, Front]]:
    """The service with the page's settings, and nginx in front of it. Two uploads at a time, of one client one."""
    (settings,) = (text for kind, text in blocks(PAGE) if kind == "dotenv")
    page = dict(line.split("=", 1) for line in settings.splitlines())
    assert len(page) == 4
    few = {"SERVER_MAX_UPLOADS": 2, "SERVER_LEAST_RATE": 0}
    with temporary_folder() as folder, standalone(folder, **page, **few) as (deployment, _):
        port = deployment.http.base_url.port
        assert port is not None
        with temporary_folder() as front_folder, nginx(front_folder, port) as front:
            yield deployment, front


@pytest.fixture(scope="module")
def proxied(pair: tuple[Deployment, Front]) -> Iterator[httpx2.Client]:
    with pair[1].client() as http:
        yield http


def _logged(deployment: Deployment, request_id: str) -> str:
    """The line of a request in the service's log."""

    def lines() -> list[str]:
        return [line for line in deployment.log().splitlines() if request_id in line and '"event": "request"' in line]

    wait_until(lambda: bool(lines()), 10)
    (line,) = lines()
    return line


def test_a_picture_goes_up_and_comes_down(proxied: httpx2.Client) -> None:
    picture = pictures.tiff(1200, 900)
    assert 2**20 < len(picture) < MAX_UPLOAD_BYTES, "above nginx's own limit"

    uploaded = proxied.post("/api/v1/images", files={"image": ("a.tiff", picture)}, data={"processing": "resize:100x100"})
    assert uploaded.status_code == 201, uploaded.text
    path = uploaded.headers["location"]
    result = proxied.get(path, headers={"Prefer": "wait=30"})
    original = proxied.get(f"{path}/original")

    assert (result.status_code, result.headers["content-type"]) == (200, "image/jpeg")
    assert original.content == picture


@pytest.mark.parametrize(
    "spoofed",
    [
        {},
        {"X-Forwarded-For": "198.51.100.66"},
        {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example"},
        {"Forwarded": "for=198.51.100.66;proto=http;host=evil.example"},
        {"Forwarded": 'for="', "X-Real-IP": "198.51.100.66"},
    ],
)
def test_the_client_is_who_reached_nginx(pair: tuple[Deployment, Front], spoofed: dict[str, str]) -> None:
    """Whatever it claims to be."""
    deployment, front = pair
    for address in ("127.0.0.2", "127.0.0.3"):
        with front.client(address) as http:
            answer = http.get("/api/v1/limits", headers=spoofed)
        assert answer.status_code == 200
        assert answer.headers["strict-transport-security"]
        assert f'"client": "{address}"' in _logged(deployment, answer.headers["x-request-id"])


def test_each_client_has_its_own_places_for_uploads(pair: tuple[Deployment, Front]) -> None:
    """The second upload of one client waits behind its first, which stands still, and another client's does not."""
    _, front = pair
    picture = pictures.jpeg()
    head = f"POST /api/v1/images HTTP/1.1\r\nHost: {NAME}\r\nContent-Type: {FORM}\r\nContent-Length: 4000000\r\n\r\n".encode()
    with ExitStack() as stack:
        plain = socket.create_connection(("127.0.0.1", front.https), timeout=40, source_address=("127.0.0.2", 0))
        standing = stack.enter_context(front.context().wrap_socket(stack.enter_context(plain), server_hostname=NAME))
        standing.sendall(head + opening() + picture + bytes(2**18))
        same, other = (stack.enter_context(front.client(address)) for address in ("127.0.0.2", "127.0.0.3"))
        spoofed = {"X-Forwarded-For": "198.51.100.66"}
        waited = same.post("/api/v1/images", files={"image": ("a.jpg", picture)}, headers=spoofed)
        uploaded = other.post("/api/v1/images", files={"image": ("a.jpg", picture)})

    assert (waited.status_code, waited.json()["code"]) == (503, "unavailable")
    assert uploaded.status_code == 201, uploaded.text


def test_everybody_is_sent_to_https(pair: tuple[Deployment, Front]) -> None:
    _, front = pair
    answer = httpx2.post(f"http://127.0.0.1:{front.http}/api/v1/images?a=b", headers={"host": NAME}, trust_env=False)

    assert (answer.status_code, answer.headers["location"]) == (308, f"https://{NAME}/api/v1/images?a=b")


def test_past_nginx_there_is_https_and_the_name_only(pair: tuple[Deployment, Front]) -> None:
    """Somebody who reaches the service itself, from an address that is no proxy's, convinces it of nothing."""
    deployment, _ = pair
    url = deployment.http.base_url.join("/api/v1/limits")
    transport = httpx2.HTTPTransport(local_address="127.0.0.2")
    with httpx2.Client(transport=transport) as http:
        claimed = http.get(url, headers={"host": NAME, "x-forwarded-proto": "https"})
        misnamed = http.get(url, headers={"x-forwarded-host": NAME})

    assert (claimed.status_code, claimed.headers["location"]) == (308, f"https://{NAME}/api/v1/limits")
    assert (misnamed.status_code, misnamed.json()["code"]) == (400, "invalid_request")


def test_what_is_too_large_is_told_by_the_service(proxied: httpx2.Client) -> None:
    answer = proxied.post("/api/v1/images", files={"image": ("a.jpg", pictures.jpeg() + bytes(MAX_UPLOAD_BYTES))})

    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


def test_a_request_has_one_id_in_both(proxied: httpx2.Client, pair: tuple[Deployment, Front]) -> None:
    answer = proxied.get("/api/v1/limits", headers={"X-Request-ID": "of-a-client"})

    request_id = answer.headers["x-request-id"]
    assert len(request_id) == 32, "nginx's own"
    assert '"status": 200' in _logged(pair[0], request_id)


@pytest.mark.parametrize("path", ["/metrics", "/health", "/docs", "/redoc", "/openapi.json", "/api/v1/../../metrics"])
def test_the_rest_is_for_the_inside(proxied: httpx2.Client, path: str) -> None:
    assert proxied.get(path).status_code == 404
