"""The README and its kin are true: tables, names of tests and targets, paths and links; and its examples run."""

import ast
import hashlib
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import cache
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from internal.api.problems import TITLE
from internal.images.ports import Workshop
from internal.queue.port import Channel, Delivery
from internal.settings import PROJECT
from internal.worker import handlers
from internal.worker.dispatch import dispatch, find_handlers
from tests import pictures
from tests.unit.readme_tables import README, rendered

DOCUMENTS = [README, PROJECT / "CHANGELOG.md", *sorted((PROJECT / "docs").glob("*.md"))]
SOURCES = sorted((PROJECT / "internal").rglob("*.py"))
TEST_NAME = re.compile(r"\btests/[\w/]+(?:\.py(?:::\w+)?)?")
FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
MADE_BY_HAND = {"config/local.yaml"}
INLINE = re.compile(r"`([^`\n]+)`")


def name_of(path: Path) -> str:
    return str(path.relative_to(PROJECT))


def prose(document: Path) -> str:
    """A document without its fenced blocks."""
    return FENCED.sub("", document.read_text(encoding="utf-8"))


def code(document: Path) -> Iterator[str]:
    """All that a document shows as code."""
    yield from (block for _, block in FENCED.findall(document.read_text(encoding="utf-8")))
    yield from INLINE.findall(prose(document))


def example(title: str) -> str:
    """The README's Python block that begins with this comment."""
    blocks: list[tuple[str, str]] = FENCED.findall(README.read_text(encoding="utf-8"))
    return next(text for kind, text in blocks if kind == "python" and text.startswith(f"# {title}\n"))


@cache
def functions_in(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def dangling(text: str) -> list[str]:
    """The tests that `text` names and that do not exist."""

    def exists(name: str) -> bool:
        file, _, function = name.partition("::")
        path = PROJECT / file
        return path.exists() and (not function or function in functions_in(path))

    return [name for name in TEST_NAME.findall(text) if not exists(name)]


def docstrings(path: Path) -> Iterator[str]:
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, kinds):
            yield ast.get_docstring(node) or ""


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_tables_are_those_of_the_code() -> None:
    text = README.read_text(encoding="utf-8")

    assert text == rendered(text), "write them anew: python -m tests.unit.readme_tables"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_test_that_a_document_names_exists(document: Path) -> None:
    assert dangling(document.read_text(encoding="utf-8")) == []


def test_every_test_that_a_docstring_names_exists() -> None:
    named = {name_of(path): dangling("\n".join(docstrings(path))) for path in SOURCES}

    assert {path: names for path, names in named.items() if names} == {}


def test_every_invariant_names_the_test_that_breaks_without_it() -> None:
    invariants = [(path, text) for path in SOURCES for text in docstrings(path) if "INVARIANT" in text]

    assert len(invariants) > 10
    assert [name_of(path) for path, text in invariants if not TEST_NAME.search(text)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_make_target_that_is_named_exists(document: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    named = [name for text in code(document) for name in re.findall(r"\bmake (?:[A-Z_]+=\S+ )*([a-z-]+)", text)]

    assert sorted(set(named) - set(targets)) == []


def test_make_says_that_it_installs() -> None:
    steps = subprocess.run(
        ["make", "--dry-run", "--assume-new=requirements.lock", ".venv/.ready"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert "installing into .venv" in steps.partition("pip install")[0]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_problem_that_is_shown_has_the_title_that_is_sent(document: Path) -> None:
    shown = re.findall(r'"title": "([^"]+)",\s+"status": (\d+)', document.read_text(encoding="utf-8"))

    assert shown or document != README
    assert [title for title, status in shown if title != (TITLE.get(int(status)) or HTTPStatus(int(status)).phrase)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", prose(document)) if not re.match(r"[a-z]+:", link)]

    def leads_somewhere(link: str) -> bool:
        file, _, anchor = link.partition("#")
        target = document.parent / file if file else document
        return target.exists() and (not anchor or anchor in anchors(target))

    assert [link for link in links if not leads_somewhere(link)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_path_that_is_named_exists(document: Path) -> None:
    paths = [
        text
        for text in INLINE.findall(prose(document))
        if re.fullmatch(r"(bench|cmd|config|internal|migrations|tests|docs)/[\w/.-]*", text)
    ]

    assert [path for path in paths if path not in MADE_BY_HAND and not (PROJECT / path).exists()] == []


def test_the_variables_of_the_tests_services_are_those_that_are_read() -> None:
    read = (PROJECT / "tests/services/environment.py").read_text(encoding="utf-8")
    variables = re.compile(r"\bTEST_[A-Z_]*[A-Z]\b")

    assert set(variables.findall(prose(README))) == {name for name in variables.findall(read) if f'"{name}"' in read}


OPERATION_PROGRAM = """
import sys
from internal.pipeline.language.grammar import Grammar

chain = Grammar().parse("posterize:2")
assert chain.canonical == "posterize:2"
assert [known["summary"] for known in Grammar().describe() if known["name"] == "posterize"] != []
assert "pyvips" not in sys.modules

from pathlib import Path
from internal.pipeline.vips.render import render
from internal.sandbox.port import RenderJob, RenderLimits

folder = Path(sys.argv[1])
limits = RenderLimits(1000, 1000, 10**6, 10, 10**6, 10**6)
render(RenderJob(folder / "source", folder / "target", chain.canonical, "image/png", limits), chain, folder)

import pyvips
pixels = pyvips.Image.new_from_file(str(folder / "target"))
colours, transparency = (sorted(set(bytes(part.write_to_memory()))) for part in (pixels[:-1], pixels[-1]))
print(pixels.width, pixels.height, colours, transparency)
"""


def test_the_example_of_an_operation_works_as_a_package(tmp_path: Path) -> None:
    (tmp_path / "posterize.py").write_text(example("posterize.py"), encoding="utf-8")
    package = tmp_path / "posterize-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: posterize\nVersion: 1\n", encoding="utf-8")
    (package / "entry_points.txt").write_text("[image_processor.operations]\nposterize = posterize:Posterize\n", encoding="utf-8")
    (tmp_path / "source").write_bytes(pictures.alpha_png(64, 48))

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", OPERATION_PROGRAM, str(tmp_path)],
        env={"PYTHONPATH": f"{PROJECT}:{tmp_path}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("64 48 [0, 255] [0, 255]\n", "")


async def test_the_example_of_a_message_handler_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = "internal/worker/handlers/verify_original.py"
    (tmp_path / Path(file).name).write_text(example(file), encoding="utf-8")
    monkeypatch.setattr(handlers, "__path__", [str(tmp_path)])
    known = find_handlers()
    module = sys.modules.pop(f"{handlers.__name__}.verify_original")
    monkeypatch.delattr(handlers, "verify_original", raising=False)

    image = SimpleNamespace(
        id=UUID(int=7), owner="anonymous", original=SimpleNamespace(key="key", sha256=hashlib.sha256(b"picture").hexdigest())
    )

    async def find(owner: str, image_id: UUID) -> Any:
        return image if (owner, image_id) == (image.owner, image.id) else None

    async def chunks() -> AsyncIterator[bytes]:
        yield b"pict"
        yield b"ure"

    @asynccontextmanager
    async def get(_: str) -> AsyncIterator[Any]:
        yield SimpleNamespace(chunks=chunks())

    repository = SimpleNamespace(images=SimpleNamespace(find=find))
    workshop = cast("Workshop", SimpleNamespace(repository=repository, store=SimpleNamespace(get=get)))
    delivery = Delivery(module.verify_message(image), Channel.SLOW, "test/0/1", None)

    with capture_logs() as lines:
        await dispatch(delivery, workshop, known)

    assert [(line["event"], line.get("intact")) for line in lines] == [("original.verified", True)]
