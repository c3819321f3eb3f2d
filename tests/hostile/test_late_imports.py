"""A decoder has imported all Python modules before its sandbox is set up: it needs none later.

Renders the usual pictures in a process like a decoder whose import system is closed.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from internal.pipeline.language.grammar import Grammar
from internal.runtime.project import PROJECT
from tests.golden.cases import cases, postcard
from tests.hostile.mutants import CHAINS, originals

PROGRAM = """
import json, sys
from pathlib import Path

from internal.domain.errors import ServiceError
from internal.pipeline.language.grammar import Grammar
from internal.pipeline.vips.text import load_fonts
from internal.pipeline.operations import known_operations
from internal.pipeline.vips.render import render, restrict_libvips
from internal.sandbox import child
from internal.ports.sandbox import Overlay, RenderJob, RenderLimits

class Closed:
    def find_spec(self, name, path=None, target=None):
        late.append(name)
        raise ImportError(name)

restrict_libvips(heif=True)
known_operations()
load_fonts()
jobs, limits, late, made = json.loads(Path("jobs").read_bytes()), RenderLimits(30000, 30000, 10**8, 999, 10**8, 10**8), [], 0
sys.meta_path.insert(0, Closed())
for source, media_type, chain in jobs:
    parsed = Grammar().parse(chain)
    overlays = {reference: Overlay(Path("overlay"), "image/png") for reference in parsed.references}
    try:
        render(RenderJob(Path(source), Path("made"), chain, media_type, limits, None, overlays, True), parsed, Path("work"))
        made += 1
    except (ServiceError, ImportError, LookupError):
        pass
print(json.dumps({"late": late, "made": made, "of": len(jobs)}))
"""


def _jobs(folder: Path) -> Iterator[tuple[str, str, str]]:
    kinds = [(case.source(), case.media_type, case.chain) for case in cases()]
    kinds += [(data, media_type, CHAINS[number % len(CHAINS)]) for number, (_, media_type, data) in enumerate(originals())]
    for number, (data, media_type, chain) in enumerate(kinds):
        (folder / str(number)).write_bytes(data)
        yield str(number), media_type, Grammar().parse(chain).canonical


def test_no_picture_needs_a_module_late(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "overlay").write_bytes(bytes(postcard().crop(70, 8, 40, 40).pngsave_buffer()))
    (tmp_path / "jobs").write_text(json.dumps(list(_jobs(tmp_path))))

    done = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM], cwd=tmp_path, env={"PYTHONPATH": str(PROJECT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["late"] == []
    assert told["made"] == told["of"] > 100
