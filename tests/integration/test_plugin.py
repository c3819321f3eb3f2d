"""An operation from a package of its own, built and installed for real: the API knows it, and the decoder processes do it."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import pyvips

from internal.runtime.project import PROJECT
from tests import pictures

PLUGIN = PROJECT / "tests/plugin"

LISTED = """
import json, sys
from internal.pipeline.language.grammar import Grammar

listed = {known["name"]: known for known in Grammar().describe()}
chain = Grammar().parse('[{"op": "duotone", "dark": "1A2A6C"}]').canonical
print(json.dumps({"listed": listed, "chain": chain, "pyvips": "pyvips" in sys.modules}))
"""

RENDERED = """
import asyncio, sys
from pathlib import Path
from internal.sandbox.pool import open_pool
from internal.ports.sandbox import RenderJob, RenderLimits

async def main(folder, chain):
    limits = RenderLimits(1000, 1000, 10**6, 10, 10**6, 10**6)
    options = {"memory_bytes": 2**30, "cpu_seconds": 20, "wall_seconds": 60, "max_pictures": 10}
    async with open_pool(size=1, scratch=folder / "scratch", **options) as pool:
        await pool.render(RenderJob(folder / "source", folder / "target", chain, "image/png", limits))
    assert "pyvips" not in sys.modules

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment: our libraries, this project, and the package, built and installed by pip."""
    place = tmp_path_factory.mktemp("plugin") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", str(place))
    interpreter = place / "bin/python"
    installed = Path(run(str(interpreter), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (installed / "neighbours.pth").write_text(f"{sysconfig.get_path('purelib')}\n{PROJECT}\n")
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    run(sys.executable, "-m", "pip", "--python", str(interpreter), "install", "--quiet", *offline, str(PLUGIN))
    return interpreter


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_api_lists_it_without_loading_libvips(python: Path) -> None:
    answer = json.loads(run(str(python), "-W", "error", "-c", LISTED))

    listed = answer["listed"]["duotone"]
    assert answer["listed"].keys() > {"resize", "watermark"}
    assert (listed["positional"], listed["example"]) == ("dark", "duotone:1a2a6c,light=fdbb2d")
    assert listed["parameters"]["required"] == ["dark"]
    assert answer["chain"] == "duotone:1a2a6c"
    assert answer["pyvips"] is False


def test_the_sandbox_renders_with_it(python: Path, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(pictures.alpha_png(64, 48))

    run(str(python), "-c", RENDERED, str(tmp_path), "duotone:1a2a6c,light=fdbb2d|resize:32x")

    result = pyvips.Image.new_from_file(str(tmp_path / "target"))
    assert (result.width, result.height, result.bands) == (32, 24, 4)
    grey = pictures.scene().colourspace("b-w").getpoint(2, 2)[0] / 255
    ends = zip((0x1A, 0x2A, 0x6C), (0xFD, 0xBB, 0x2D), strict=True)
    assert result.getpoint(2, 2) == pytest.approx([*(dark + (light - dark) * grey for dark, light in ends), 255], abs=1)
    assert result.getpoint(29, 2)[3] == 0
