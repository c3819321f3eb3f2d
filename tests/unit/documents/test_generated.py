"""The generated parts of the documents are those that the code makes."""

import pytest

from documents.blocks import BLOCKS, current
from internal.runtime.project import PROJECT


@pytest.mark.parametrize("document", BLOCKS)
def test_the_blocks_are_current(document: str) -> None:
    text = (PROJECT / document).read_text(encoding="utf-8")

    assert text == current(document, text), "write them again: make documents"


def test_a_document_without_a_block_is_refused() -> None:
    with pytest.raises(ValueError, match=r"docs/configuration\.md has the blocks \[\]"):
        current("docs/configuration.md", "# Configuration\n")
