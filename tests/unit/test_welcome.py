"""The command that `make run` prints works wherever the project lies."""

import http.server
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from internal.settings.loader import load_settings
from internal.standalone import welcome
from tests.services.tools import tool


@pytest.mark.parametrize("name", ["plain", "with blank", "a;type=b", "one,two", "it's", 'a"b', "back\\slash", "$HOME"])
def test_curl_finds_the_picture_in_any_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool("curl")
    received = []

    class Upload(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(201)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name that it has there
            """Nothing on stderr."""

    picture = tmp_path / name / "landscape.jpg"
    picture.parent.mkdir()
    shutil.copy(welcome.PICTURE, picture)
    monkeypatch.setattr(welcome, "PICTURE", picture)
    with http.server.HTTPServer(("127.0.0.1", 0), Upload) as server:
        server.timeout = 10  # a curl that finds no picture connects to nothing
        answering = threading.Thread(target=server.handle_request)
        answering.start()
        text = welcome.welcome(f"http://127.0.0.1:{server.server_port}", [str(tmp_path)], load_settings({}))
        (command,) = [line for line in text.splitlines() if line.startswith("  curl ")]
        done = subprocess.run(["sh", "-c", command], cwd="/", capture_output=True, text=True, timeout=30, check=False)
        answering.join()

    assert done.returncode == 0, done.stderr
    assert picture.read_bytes() in received[0]
    assert b"resize:300x300" in received[0]
