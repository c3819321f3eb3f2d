"""The public API of plug-ins: documented in full, usable without libvips, and enough for the example package."""

import ast
import re
import subprocess
import sys

from internal import plugin
from internal.runtime.project import PROJECT

DOCUMENT = PROJECT / "docs/extending/plugin.md"
EXAMPLE = PROJECT / "tests/plugin/src"


def test_the_document_names_exactly_what_the_module_exports() -> None:
    rows = re.findall(r"^\| (`.*?) \|", DOCUMENT.read_text(), re.MULTILINE)

    documented = [name for row in rows for name in re.findall(r"`(\w+)`", row)]

    assert sorted(documented) == sorted(plugin.__all__)


def test_every_exported_name_exists() -> None:
    assert all(getattr(plugin, name) is not None for name in plugin.__all__)


def test_the_api_can_be_imported_without_libvips() -> None:
    code = "import sys; from internal.plugin import Operation, Colour, Gravity; print('pyvips' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT)

    assert done.stdout.strip() == "False"


def test_the_example_package_imports_the_public_api_only() -> None:
    sources = list(EXAMPLE.rglob("*.py"))
    imported = {
        node.module
        for source in sources
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("internal")
    }

    assert sources
    assert imported == {"internal.plugin"}
