"""The two locks agree, and our programs need nothing that the image's lock leaves out."""

import subprocess
import sys

import pytest

from internal.settings import PROJECT
from tests.locks import DEVELOPERS, NOT_FOR_THE_IMAGE, RUNTIME, pinned

IMPORT_WITH_THE_RUNTIME_LOCK_ONLY = """
import importlib
import importlib.metadata
import re
import sys

allowed = set(sys.argv[2].split())
providers = importlib.metadata.packages_distributions()


class LeftOut:
    def find_spec(self, name, path=None, target=None):
        owners = {re.sub(r"[-_.]+", "-", owner).lower() for owner in providers.get(name, ())}
        if owners and not owners & allowed:
            raise ModuleNotFoundError(f"{name} is not in the image")

sys.meta_path.insert(0, LeftOut())
importlib.import_module(sys.argv[1])
"""


def test_the_image_gets_the_versions_that_are_tested() -> None:
    tested = pinned(DEVELOPERS)
    runtime = pinned(RUNTIME)

    assert len(runtime) > 30
    assert {name: version for name, version in runtime.items() if tested.get(name) != version} == {}


def test_the_runtime_lock_has_nothing_that_only_tests_and_pages_need() -> None:
    assert pinned(RUNTIME).keys() & NOT_FOR_THE_IMAGE == set()


@pytest.mark.parametrize(
    "module",
    ["internal.api.server", "internal.worker.service", "internal.provision", "internal.cli.program", "internal.sandbox.child"],
)
def test_a_program_needs_nothing_beyond_the_runtime_lock(module: str) -> None:
    allowed = " ".join([*pinned(RUNTIME), "image-processor"])

    done = subprocess.run(
        [sys.executable, "-c", IMPORT_WITH_THE_RUNTIME_LOCK_ONLY, module, allowed],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
