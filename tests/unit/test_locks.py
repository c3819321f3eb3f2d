"""The locks agree, and our programs need nothing that the locks of the image and of `make run` leave out."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from internal.runtime.project import PROJECT
from tests.locks import DEVELOPERS, NOT_FOR_THE_IMAGE, RUNTIME, STANDALONE, UV, pinned

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


@pytest.mark.parametrize("lock", [RUNTIME, STANDALONE], ids=lambda lock: lock.name)
def test_what_is_run_has_the_versions_that_are_tested(lock: Path) -> None:
    tested = pinned(DEVELOPERS)
    run = pinned(lock)

    assert len(run) >= {RUNTIME: 30, STANDALONE: 5}[lock]
    assert {name: version for name, version in run.items() if tested.get(name) != version} == {}


def test_make_run_has_the_extra_and_what_builds_the_project() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [*project["project"]["optional-dependencies"]["standalone"], *project["build-system"]["requires"]]

    assert {normal(re.split(r"[^\w.-]", requirement)[0]) for requirement in wanted} <= pinned(STANDALONE).keys()


@pytest.mark.parametrize("lock", [DEVELOPERS, RUNTIME, STANDALONE, UV], ids=lambda lock: lock.name)
def test_everything_that_is_pinned_has_a_hash_and_no_lock_says_where_it_comes_from(lock: Path) -> None:
    pins = re.findall(r"^[a-z0-9].*?(?=^\S|\Z)", lock.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)

    assert len(pins) == len(pinned(lock))
    assert [pin for pin in pins if "--hash=sha256:" not in pin] == []
    assert "://" not in lock.read_text(encoding="utf-8")


def test_the_runtime_lock_has_nothing_that_only_tests_and_pages_need() -> None:
    assert pinned(RUNTIME).keys() & NOT_FOR_THE_IMAGE == set()


def normal(name: str) -> str:
    """A package's name as locks write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(folder: Path) -> Iterator[tuple[str, str]]:
    """Every top-level name that a file below `folder` imports, by a statement or by name."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Import(names=names):
                    found = [alias.name for alias in names]
                case ast.ImportFrom(module=str(module), level=0):
                    found = [module]
                case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(module)), *_]):
                    found = [module]
                case _:
                    continue
            yield from ((name.partition(".")[0], str(path.relative_to(PROJECT))) for name in found)


@pytest.mark.parametrize("folder", ["internal", "cmd"])
def test_no_file_that_is_run_imports_what_only_developers_have(folder: str) -> None:
    """`make run` and `make demo` install two locks, and the rest with the first `make test`."""
    allowed = pinned(RUNTIME).keys() | pinned(STANDALONE).keys() | {"image-processor"}
    owners = packages_distributions()
    others = {(name, path) for name, path in imported(PROJECT / folder) if name not in {"internal", *sys.stdlib_module_names}}

    assert {where for where in others if not {normal(owner) for owner in owners.get(where[0], ())} & allowed} == set()


@pytest.mark.parametrize(
    "module",
    [
        "internal.api.server",
        "internal.worker.service",
        "internal.wiring.bootstrap",
        "internal.cli.program",
        "internal.cli.demo",
        "internal.standalone.service",
        "internal.sandbox.child",
    ],
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
