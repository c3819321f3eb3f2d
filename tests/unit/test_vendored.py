"""Browser files of others are kept as they came: byte for byte, with version and licence."""

import hashlib
import tomllib
from typing import Any

import pytest

from internal.api.docs import VENDORED
from internal.runtime.project import PROJECT

VENDOR = PROJECT / "internal/web/vendor"
PACKAGES: dict[str, dict[str, Any]] = tomllib.loads((VENDOR / "packages.toml").read_text(encoding="utf-8"))


def test_every_folder_is_a_package_that_is_named() -> None:
    assert {folder.name for folder in VENDOR.iterdir() if folder.is_dir()} == set(PACKAGES)


@pytest.mark.parametrize("name", PACKAGES)
def test_the_files_are_those_that_came(name: str) -> None:
    found = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in (VENDOR / name).iterdir()}

    assert found == PACKAGES[name]["sha256"]


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_has_its_licence_and_where_it_came_from(name: str) -> None:
    assert {"version", "licence", "home", "integrity"} <= PACKAGES[name].keys()
    assert (VENDOR / name / "LICENSE").stat().st_size > 1000


def test_what_is_served_is_there() -> None:
    served = {tuple(path.split("/")) for path in VENDORED}

    assert served <= {(package, file) for package, known in PACKAGES.items() for file in known["sha256"]}


def test_the_version_is_the_files_own() -> None:
    """Swagger UI 5.33.1 and Redoc 2.5.4 carry their version inside."""
    swagger, redoc = PACKAGES["swagger-ui-dist"]["version"], PACKAGES["redoc"]["version"]

    assert f'PACKAGE_VERSION:"{swagger}"' in (VENDOR / "swagger-ui-dist/swagger-ui-bundle.js").read_text(encoding="utf-8")
    assert f'Version: "{redoc}"' in (VENDOR / "redoc/redoc.standalone.js.LICENSE.txt").read_text(encoding="utf-8")
