"""Socket of the embedded PostgreSQL when its data folder's path is too long for a socket."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from internal.runtime.project import PROJECT

PROGRAM = """
import sys
from pathlib import Path
from internal.settings.loader import load_settings
from internal.standalone.postgres import embedded_postgres
for _ in range(2):
    with embedded_postgres(Path(sys.argv[1]), load_settings().database) as reached:
        sockets = Path(reached.host)
        for place in (sockets, *sockets.parents[:2]):
            print(place, oct(place.stat().st_mode & 0o777))
"""


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files whose own path is short: sockets lie in it."""
    with tempfile.TemporaryDirectory(prefix="run-", dir="/tmp") as folder:
        yield Path(folder)


def test_nobody_else_reaches_the_socket_of_a_long_path(tmp_path: Path, temporary: Path) -> None:
    """The wheel opens its folder to everybody when root starts it, which is what a second start must cope with."""
    known = {name: value for name, value in os.environ.items() if name != "XDG_RUNTIME_DIR"}
    data = tmp_path / ("long" * 30) / "postgres"

    done = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM, str(data)],
        env=known | {"PYTHONPATH": str(PROJECT), "TMPDIR": str(temporary)}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    runtime = temporary / f"image-processor-run-{os.getuid()}"
    seen = [line.split() for line in done.stdout.splitlines() if line.startswith(str(temporary))]
    assert len(seen) == 6
    assert all(Path(place).is_relative_to(runtime) and mode == "0o700" for place, mode in seen)
