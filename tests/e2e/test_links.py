"""Links and public images as a reader of docs/api/links.md tries them, with the page's own commands against a running service."""

import base64
import json
import os
import secrets
import subprocess
from pathlib import Path

from tests import pictures
from tests.e2e.deployments import standalone, standalone_environment, temporary_folder
from tests.e2e.processes import IMAGECTL, PROJECT, imagectl, running
from tests.services.tools import tool
from tests.unit.documents.markdown import blocks

PAGE = PROJECT / "docs/api/links.md"
UUID_LENGTH = 36


def link_key() -> str:
    return f"2026-11:{base64.b64encode(secrets.token_bytes(32)).decode()}"


def test_what_the_page_shows(tmp_path: Path) -> None:
    tool("curl")
    (tmp_path / "photo.jpg").write_bytes(pictures.exif_jpeg())
    commands = [text for language, text in blocks(PAGE) if language == "sh"]
    with temporary_folder() as folder, standalone(folder, LINK_KEYS=link_key()) as (service, _):
        address = str(service.http.base_url).rstrip("/")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\necho\n".join(commands)],
            cwd=tmp_path,
            env={
                **os.environ,
                "API": f"{address}/api/v1",
                "IMAGECTL_ADDRESS": address,
                "PATH": f"{IMAGECTL.parent}:{os.environ['PATH']}",
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        said = service.log()

    assert done.returncode == 0, done.stderr
    original = (tmp_path / "photo.jpg").read_bytes()
    assert (tmp_path / "thumb.jpg").read_bytes() == (tmp_path / "public.jpg").read_bytes()
    assert (tmp_path / "part.bin").read_bytes() == original[:1024]
    assert (tmp_path / "saved/photo.jpg").read_bytes() == original
    assert json.loads((tmp_path / "refused.json").read_text())["code"] == "link_invalid"
    assert "\n403\n" in done.stdout
    [made] = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"url"')]
    assert made["url"].startswith("/api/v1/images/")
    assert '"metadata":{"album": "winter"}' in done.stdout
    assert "sig=" not in said, "the log has no link in it"


def test_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(pictures.exif_jpeg())
    public_url = "https://images.example.com"
    with temporary_folder() as folder, standalone(folder, LINK_KEYS=link_key(), PUBLIC_URL=public_url) as (service, _):
        port = service.place[1]

        def run(*words: object) -> subprocess.CompletedProcess[bytes]:
            return imagectl(tmp_path, *words, SERVER_PORT=port)

        image_id = run("upload", "photo.jpg", "--wait").stdout.decode()[:UUID_LENGTH]
        link = run("link", image_id, "--original", "--expires", "2m", "--download", "--json")
        url = json.loads(link.stdout)["url"]
        shown = service.http.get(url.removeprefix(public_url))
        assert url.startswith(f"{public_url}/api/v1/images/{image_id}/original?disposition=attachment&expires=")
        assert (shown.status_code, shown.content) == (200, (tmp_path / "photo.jpg").read_bytes())
        assert shown.headers["content-disposition"] == "attachment; filename=\"photo.jpg\"; filename*=UTF-8''photo.jpg"
        own = service.http.get(f"/api/v1/images/{image_id}/original")
        policies = [answer.headers.get_list("cross-origin-resource-policy") for answer in (shown, own)]
        assert policies == [["cross-origin"], ["same-origin"]]
        assert shown.headers["referrer-policy"] == "no-referrer", "a page that is opened by a link does not pass it on"

        assert run("visibility", "public", image_id).stdout.decode() == f"{image_id}  public\n"
        assert run("status", image_id).stdout.decode().startswith(f"{image_id}  processed  public\n")
        assert run("visibility", "private", image_id).stdout.decode() == f"{image_id}  private\n"
        for words, code in (
            (("link", image_id, "--expires", "soon"), 2),
            (("link", image_id, "--expires", "8d"), 1),
            (("link", image_id, "--rendition", "none"), 1),
            (("visibility", "open", image_id), 2),
            (("visibility", "public", "0192f0c1-7c1e-7b7e-9d57-0e1f4a3c2b1a"), 1),
        ):
            assert run(*words).returncode == code, words


def test_bad_keys_stop_the_start(tmp_path: Path) -> None:
    secret = base64.b64encode(b"a secret of too few bytes").decode()
    for keys, fault in ((f"a:{secret}", "has 25 bytes, and needs at least 32"), (secret, "is not of the form kid:base64")):
        with running("standalone", tmp_path / "log", standalone_environment(tmp_path, LINK_KEYS=keys)) as process:
            assert process.wait() == 2
            assert "configuration: LINK_KEYS: " in process.said()
            assert fault in process.said()
            assert secret not in process.said()
