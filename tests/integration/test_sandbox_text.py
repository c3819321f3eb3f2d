"""Text in the sandbox: a child uses only the fonts of our packages, and prints no warnings."""

from pathlib import Path

import pytest
import pyvips

from internal.domain.errors import InvalidProcessing
from tests import pictures
from tests.integration.sandbox_bench import bench
from tests.services.folders import files_below


def printed(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in files_below(folder) if file.name == "stderr"]


def values(file: Path) -> bytes:
    return bytes(pyvips.Image.new_from_buffer(file.read_bytes(), "").write_to_memory())


async def test_letters_come_out_and_nothing_is_printed(tmp_path: Path) -> None:
    black = bytes(pyvips.Image.black(300, 100, bands=3).copy(interpretation="srgb").pngsave_buffer())
    shapes: set[bytes] = set()
    async with bench(tmp_path) as under_test:
        for letter in "AЖΩé":
            chain = f"watermark:text={letter},size=64"
            await under_test.pool.render(under_test.job(black, chain, "image/png"))

            shapes.add(values(under_test.target))
        assert printed(tmp_path) == [b""]
    assert len(shapes) == 4
    assert all(max(shape) > 200 for shape in shapes)


async def test_a_letter_that_no_font_has_is_refused_and_costs_no_child(tmp_path: Path) -> None:
    async with bench(tmp_path) as under_test:
        children = under_test.pool.pids

        with pytest.raises(InvalidProcessing, match="漢"):
            await under_test.pool.render(under_test.job(pictures.jpeg(), "watermark:text=漢"))

        await under_test.is_unharmed()
        assert under_test.pool.pids == children
