"""docs/running/nginx.md: nginx with the server block that the page shows, in front of a service."""

import getpass
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests import pictures
from tests.e2e.deployment import MAX_UPLOAD_BYTES, Deployment, client
from tests.e2e.deployments import standalone, temporary_folder
from tests.e2e.processes import PROJECT
from tests.services.reachable import free_port
from tests.services.tools import tool
from tests.services.waiting import wait_until
from tests.unit.documents.markdown import blocks

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


@contextmanager
def nginx(folder: Path, service: int) -> Iterator[int]:
    """The page's block, with the ports of this test in place of its own; yields the port on which nginx listens."""
    port = free_port()
    (block,) = (text for kind, text in blocks(PROJECT / "docs/running/nginx.md") if kind == "nginx")
    assert "127.0.0.1:8080" in block
    assert "listen 80;" in block
    block = block.replace("127.0.0.1:8080", f"127.0.0.1:{service}").replace("listen 80;", f"listen 127.0.0.1:{port};")
    configuration = folder / "nginx.conf"
    configuration.write_text(AROUND.format(folder=folder, block=block, user=getpass.getuser()), encoding="utf-8")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([tool("nginx"), "-p", folder, "-c", configuration], stdout=log, stderr=log)
        try:
            wait_until(lambda: (folder / "pid").exists() or process.poll() is not None, 10)
            assert process.poll() is None, (folder / "log").read_text()
            yield port
        finally:
            process.terminate()
            process.wait(10)


@pytest.fixture(scope="module")
def proxied(in_one_terminal: Deployment) -> Iterator[httpx2.Client]:
    port = in_one_terminal.http.base_url.port
    assert port is not None
    with temporary_folder() as folder, nginx(folder, port) as front, client(front) as http:
        yield http


def _logged(deployment: Deployment, request_id: str) -> str:
    """The line of a request in the service's log."""

    def lines() -> list[str]:
        return [line for line in deployment.log().splitlines() if request_id in line and '"event": "request"' in line]

    wait_until(lambda: bool(lines()), 10)
    (line,) = lines()
    return line


@pytest.fixture(scope="module")
def trusting() -> Iterator[tuple[Deployment, int]]:
    """A service that trusts nginx, which is at 127.0.0.1, and nginx's port."""
    with temporary_folder() as folder, standalone(folder, TRUSTED_PROXIES="127.0.0.1") as (deployment, _):
        port = deployment.http.base_url.port
        assert port is not None
        with temporary_folder() as front_folder, nginx(front_folder, port) as front:
            yield deployment, front


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


@pytest.mark.parametrize("spoofed", [{}, {"X-Forwarded-For": "198.51.100.66"}, {"Forwarded": "for=198.51.100.66;proto=https"}])
def test_the_client_is_who_reached_nginx(trusting: tuple[Deployment, int], spoofed: dict[str, str]) -> None:
    """Whatever it claims to be: this machine's addresses are all its own, so a second client is 127.0.0.2."""
    deployment, front = trusting
    for address in ("127.0.0.2", "127.0.0.3"):
        with httpx2.Client(transport=httpx2.HTTPTransport(local_address=address), base_url=f"http://127.0.0.1:{front}") as http:
            answer = http.get("/api/v1/limits", headers=spoofed)
        assert answer.status_code == 200
        assert f'"client": "{address}"' in _logged(deployment, answer.headers["x-request-id"])


def test_what_is_too_large_is_told_by_the_service(proxied: httpx2.Client) -> None:
    answer = proxied.post("/api/v1/images", files={"image": ("a.jpg", pictures.jpeg() + bytes(MAX_UPLOAD_BYTES))})

    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


def test_a_request_has_one_id_in_both(proxied: httpx2.Client, in_one_terminal: Deployment) -> None:
    answer = proxied.get("/api/v1/limits", headers={"X-Request-ID": "of-a-client"})

    request_id = answer.headers["x-request-id"]
    assert len(request_id) == 32, "nginx's own"
    wait_until(lambda: request_id in in_one_terminal.log(), 10)


@pytest.mark.parametrize("path", ["/metrics", "/health", "/docs", "/redoc", "/openapi.json", "/api/v1/../../metrics"])
def test_the_rest_is_for_the_inside(proxied: httpx2.Client, path: str) -> None:
    assert proxied.get(path).status_code == 404
