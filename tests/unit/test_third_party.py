"""THIRD-PARTY.md is in step with the lock, and every licence that it names is one, with its text at hand."""

import re
from importlib.metadata import distribution

import pytest
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from internal.runtime.project import PROJECT
from tests.locks import RUNTIME, pinned
from tests.unit.third_party import DOCUMENT, INSIDE, document, licence_of, texts_of

TEXTS = {"LGPL-2": "LGPL-2.1.txt", "LGPL-3": "LGPL-3.0.txt", "MPL-2": "MPL-2.0.txt"}
WITHOUT_A_TEXT = {"fontpkg"}  # 0.2.2: neither its wheel nor its source has one


def test_the_document_is_what_the_script_writes() -> None:
    """Else: `make notices`."""
    assert DOCUMENT.read_text(encoding="utf-8") == document()


@pytest.mark.parametrize("name", pinned(RUNTIME))
def test_a_package_of_the_image_has_a_row_a_licence_and_its_text(name: str) -> None:
    package = distribution(name)
    row = next(line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {name} |"))

    assert f"| {package.version} | {licence_of(package)} | http" in row
    assert bool(texts_of(package)) == (name not in WITHOUT_A_TEXT)


def test_copyleft_texts_are_at_hand() -> None:
    licences = {licence_of(distribution(name)) for name in pinned(RUNTIME)}
    licences |= {licence for libraries in INSIDE.values() for licence, _ in libraries.values()}
    families = {re.sub(r"\.\d", "", found) for licence in licences for found in re.findall(r"(?:LGPL|MPL)-\d\.\d", licence)}

    assert families - {"MPL-1"} == set(TEXTS)  # MPL 1.1 is cairo's other choice, and LGPL 2.1 the one that is taken
    assert {path.name for path in (PROJECT / "licenses").iterdir()} == {*TEXTS.values(), "GPL-3.0.txt", "MIT.txt"}
    assert "OFL-1.1" in licences
    font = distribution("fontpkg-noto-sans")
    assert any("SIL OPEN FONT LICENSE" in (font.locate_file(text)).read_text() for text in texts_of(font))


@pytest.mark.parametrize(("owner", "version"), INSIDE)
def test_licences_inside_a_wheel_are_spdx(owner: str, version: str) -> None:
    for library, (licence, home) in INSIDE[owner, version].items():
        try:
            assert canonicalize_license_expression(licence) == licence
        except InvalidLicenseExpression:
            pytest.fail(f"{library}: {licence}")
        assert home.startswith("http")
