"""The image holds what the service needs and nothing else."""

import json
import re
import subprocess
from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.e2e.compose import require_compose
from tests.e2e.processes import PROJECT
from tests.locks import NOT_FOR_THE_IMAGE, RUNTIME, pinned
from tests.unit.third_party import DOCUMENT

LIST_DISTRIBUTIONS = """
import importlib.metadata, json, re
found = [(re.sub(r"[-_.]+", "-", each.metadata["Name"]).lower(), each.version) for each in importlib.metadata.distributions()]
print(json.dumps(found))
"""

pytestmark = pytest.mark.timeout(1800)  # the first test builds the image


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    require_compose()
    name = f"image-processor-test:{uuid4().hex[:12]}"
    _docker("build", "--quiet", "--tag", name, str(PROJECT))
    yield name
    _docker("image", "rm", "--force", name)


def _docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, f"docker {words}: {done.stderr[-3000:]}"
    return done.stdout


def _run(image: str, *command: str) -> str:
    return _docker("run", "--rm", "--network", "none", image, *command)


def test_it_holds_the_runtime_lock_and_no_other_package(image: str) -> None:
    listed = json.loads(_run(image, "python", "-c", LIST_DISTRIBUTIONS))
    installed = dict(listed)

    assert len(listed) == len(installed)
    assert installed == pinned(RUNTIME)
    assert installed.keys() & NOT_FOR_THE_IMAGE == set()


def test_it_holds_our_code_and_nothing_of_the_development(image: str) -> None:
    assert set(_run(image, "ls", "-A", "/app").split()) == {
        *("cmd", "config", "internal", "migrations"),
        *("LICENSE", "THIRD-PARTY.md", "licenses"),
    }
    assert "secrets" not in _run(image, "ls", "/app/cmd")


def test_it_holds_the_notices_and_every_text_that_they_name(image: str) -> None:
    assert _run(image, "cat", "/app/THIRD-PARTY.md") == DOCUMENT.read_text(encoding="utf-8")
    listed = re.findall(r"`([^` ]+)` ?(?=[,|])", _section("Python packages"))
    assert len(listed) > len(pinned(RUNTIME))
    folders = _run(image, "python", "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])").split()
    paths = [text if text.startswith("/") else f"{folders[0]}/{text}" for text in listed]
    others = [f"/app/licenses/{text.name}" for text in (PROJECT / "licenses").iterdir()]
    _run(image, "head", "--quiet", "--bytes=1", *paths, *others)


def _section(name: str) -> str:
    return DOCUMENT.read_text(encoding="utf-8").split(f"\n## {name}\n")[1].split("\n## ")[0]
