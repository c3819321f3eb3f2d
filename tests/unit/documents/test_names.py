"""What the documents and docstrings name exists: files, anchors, tests, make targets, titles of problems."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from http import HTTPStatus
from pathlib import Path

import pytest

from internal.http.problems import TITLE
from internal.runtime.project import PROJECT
from tests.unit.documents.markdown import DOCUMENTS, anchors, code, links, name_of, prose

SOURCES = sorted((PROJECT / "internal").rglob("*.py"))
TEST_NAME = re.compile(r"\btests/[\w/]+(?:\.py(?:::\w+)?)?")
PATH = re.compile(
    r"(?<![\w/.-])(?:\.\./)*((?:bench|cmd|config|docs|documents|findings|internal|licenses|migrations|tests)/[\w/.-]*\w)"
)
NOT_THERE = {"config/local.yaml", "migrations/NNNN_what_it_is_for.sql"}
"""Files that a reader makes."""


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


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    def leads_somewhere(link: str) -> bool:
        file, _, anchor = link.partition("#")
        target = document.parent / file if file else document
        return target.exists() and (not anchor or anchor in anchors(target))

    assert [link for link in links(document) if not leads_somewhere(link)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_path_that_is_named_exists(document: Path) -> None:
    """In its code blocks too, but for their first lines, which say what file an example is to be."""
    text = re.sub(r"^( *```\w+\n).*$", r"\1", document.read_text(encoding="utf-8"), flags=re.MULTILINE)
    named = set(PATH.findall(text)) - NOT_THERE

    assert sorted(path for path in named if not (PROJECT / path).exists()) == []


def test_every_document_is_reached_from_the_readme() -> None:
    reached, ahead = set[Path](), [PROJECT / "README.md"]
    while ahead:
        document = ahead.pop()
        if document not in reached:
            reached.add(document)
            found = ((document.parent / link.partition("#")[0]).resolve() for link in links(document))
            ahead += [target for target in found if target in DOCUMENTS]

    assert [name_of(document) for document in DOCUMENTS if document not in reached] == []


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


def test_every_problem_that_is_shown_has_the_title_that_is_sent() -> None:
    texts = (document.read_text(encoding="utf-8") for document in DOCUMENTS)
    shown = [problem for text in texts for problem in re.findall(r'"title": "([^"]+)",\s+"status": (\d+)', text)]

    assert shown
    assert [title for title, status in shown if title != (TITLE.get(int(status)) or HTTPStatus(int(status)).phrase)] == []


def test_the_variables_of_the_tests_services_are_those_that_are_read() -> None:
    read = (PROJECT / "tests/services/environment.py").read_text(encoding="utf-8")
    variables = re.compile(r"\bTEST_[A-Z_]*[A-Z]\b")

    shown = set(variables.findall(prose(PROJECT / "CONTRIBUTING.md")))
    assert shown == {name for name in variables.findall(read) if f'"{name}"' in read}
