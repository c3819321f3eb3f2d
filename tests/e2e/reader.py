"""Types what a document shows, as somebody at a shell would."""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyvips

from tests import pictures
from tests.e2e.processes import PROJECT
from tests.services.tools import tool
from tests.unit.documents.markdown import blocks

README, GETTING_STARTED = PROJECT / "README.md", PROJECT / "docs/getting-started.md"
SHOWN_ADDRESS, SHOWN_PROJECT, SHOWN_DATA = "127.0.0.1:8080", "/home/you/image-processor", "/home/you/image-processor/data"
START, STACK = "make run\n", "make up\n"
LONG = re.compile(r"(make (test|lint)\n)+")
"""Blocks that run every test: make only says here what it would do."""
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
OF_ONE_ANSWER = re.compile(rf"{ID.pattern}|[0-9a-f]{{64}}|\d{{4}}-\d\d-\d\dT[\d:.]+Z")
"""What is another in each answer: ids, hashes and times."""


class Reader:
    """Types the blocks of documents, all in one folder, against the service at `address`.

    `printed`: what its start printed. `variables`: those of the shell, with which the service was started.
    """

    def __init__(self, folder: Path, address: str, printed: str = "", variables: Mapping[str, str] = os.environ) -> None:
        tool("curl")
        self.folder, self._address, self._printed, self._shell = folder, address, printed, variables
        self.answers: list[Any] = []
        self._variables: dict[str, str] = {}
        (folder / "photo.jpg").write_bytes(pictures.photo_jpeg(4000, 3000))
        (folder / "docs").symlink_to(PROJECT / "docs")

    def read(self, document: Path, start: str = START) -> None:
        """Run the shell blocks, and hold the JSON blocks against the answer before each. Fails at the first that is not so.

        Those that come after the block `start`, up to another start.
        """
        problems, last_start = 0, ""
        for language, text in blocks(document):
            last_start = text if text in (START, STACK) else last_start
            match language:
                case _ if last_start != start or text == start or LONG.fullmatch(text):
                    pass
                case "sh":
                    self.answers += self._run(text)
                case "json":
                    assert masked(self.answers[-1]) == masked(json.loads(text)), text
                    problems += is_problem(self.answers[-1])
                case _ if "▶" not in text:  # not a drawing
                    assert self._here(text) in self._printed
        assert sum(map(is_problem, self.answers)) == problems, "a call was refused, and the document does not say so"

    def _here(self, text: str) -> str:
        """The text with this service's address and folders in place of those that the documents show."""
        for shown, ours in (
            (SHOWN_ADDRESS, self._address),
            (SHOWN_DATA, str(self.folder / "data")),
            (SHOWN_PROJECT, str(PROJECT)),
        ):
            text = text.replace(shown, ours)
        return text

    def _run(self, block: str) -> list[Any]:
        """The JSON that the block prints. An id in the block stands for that of the first image that was shown."""
        known = [answer["id"] for answer in self.answers if "id" in answer]
        block = ID.sub(lambda shown: known[0] if known else shown[0], self._here(block))
        names = re.findall(r"^([A-Z]+)=", block, re.MULTILINE)
        saved = "".join(f'printf "%s\\n" "${name}" > {name}.value\n' for name in names)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{block}\n{saved}"],
            cwd=self.folder,
            env={**self._shell, **self._variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stderr}"
        self._variables |= {name: (self.folder / f"{name}.value").read_text().strip() for name in names}
        return list(answers_in(done.stdout))


def answers_in(text: str) -> Iterator[Any]:
    """JSON texts that stand one behind the other."""
    decoder, position = json.JSONDecoder(), 0
    while text[position:].strip():
        answer, position = decoder.raw_decode(text, position)
        yield answer


def is_problem(answer: Any) -> bool:
    return "code" in answer


def masked(answer: Any) -> Any:
    """The answer without what differs from one to the next: ids, hashes, times, and sizes in bytes."""
    match answer:
        case dict():
            return {key: "bytes" if key == "size" and value is not None else masked(value) for key, value in answer.items()}
        case list():
            return [masked(item) for item in answer]
        case str():
            return OF_ONE_ANSWER.sub("…", answer)
    return answer


def size_of(path: Path) -> tuple[int, int, str]:
    """Width, height and format of a picture."""
    picture = pyvips.Image.new_from_file(str(path))
    return picture.width, picture.height, picture.get("vips-loader").removesuffix("load")
