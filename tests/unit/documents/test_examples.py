"""The examples in docs/extending run."""

import hashlib
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from internal.domain.message import Channel
from internal.pipeline.language.grammar import Grammar
from internal.ports.queue import Delivery
from internal.ports.repository.dead_letters import DeadLetters
from internal.runtime.project import PROJECT
from internal.worker import handlers
from internal.worker.dispatch import HandlerPorts, create_handlers, dispatch
from tests import pictures
from tests.unit.documents.markdown import blocks


def example(document: str, title: str) -> str:
    """The Python block of a document in docs/extending that begins with this comment."""
    found = blocks(PROJECT / "docs/extending" / document)
    return next(text for kind, text in found if kind == "python" and text.startswith(f"# {title}\n"))


OPERATION_PROGRAM = """
import sys
from internal.pipeline.language.grammar import Grammar

chain = Grammar().parse("posterize:2")
assert chain.canonical == "posterize:2"
assert [known["summary"] for known in Grammar().describe() if known["name"] == "posterize"] != []
assert "pyvips" not in sys.modules

from pathlib import Path
from internal.pipeline.vips.render import render
from internal.ports.sandbox import RenderJob, RenderLimits

folder = Path(sys.argv[1])
limits = RenderLimits(1000, 1000, 10**6, 10, 10**6, 10**6)
render(RenderJob(folder / "source", folder / "target", chain.canonical, "image/png", limits), chain, folder)

import pyvips
pixels = pyvips.Image.new_from_file(str(folder / "target"))
colours, transparency = (sorted(set(bytes(part.write_to_memory()))) for part in (pixels[:-1], pixels[-1]))
print(pixels.width, pixels.height, colours, transparency)
"""


def test_the_example_of_an_operation_works_as_a_package(tmp_path: Path) -> None:
    (tmp_path / "posterize.py").write_text(example("operation.md", "posterize.py"), encoding="utf-8")
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
    (tmp_path / Path(file).name).write_text(example("message-handler.md", file), encoding="utf-8")
    monkeypatch.setattr(handlers, "__path__", [str(tmp_path)])

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
    ports = cast("HandlerPorts", SimpleNamespace(repository=repository, store=SimpleNamespace(get=get)))
    known = create_handlers(ports)
    module = sys.modules.pop(f"{handlers.__name__}.verify_original")
    monkeypatch.delattr(handlers, "verify_original", raising=False)
    delivery = Delivery(module.verify_message(image), Channel.SLOW, "test/0/1", None)

    with capture_logs() as lines:
        await dispatch(delivery, known, cast("DeadLetters", None))

    assert [(line["event"], line.get("intact")) for line in lines] == [("original.verified", True)]


def test_the_three_forms_of_a_chain_are_one() -> None:
    """docs/processing.md shows one chain as a text, a list of texts and a list of objects."""
    shown = [text for _, text in blocks(PROJECT / "docs/processing.md") if text.startswith(("resize:300x200", "["))]

    assert len(shown) == 3
    assert len({Grammar().parse(text.strip()).canonical for text in shown}) == 1
