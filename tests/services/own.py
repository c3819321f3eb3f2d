"""A server of a test's own, which it may end and start again: nobody else is on it.

From a container where Docker answers, else out of the wheel, whatever serves the others.
"""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from tests.services.kinds import NAMES, KafkaService, PostgresService
from tests.services.reachable import kafka_answers, postgres_answers
from tests.services.run import start_keeper
from tests.services.waiting import wait_until

S = TypeVar("S", PostgresService, KafkaService)

START_SECONDS = 180.0
END_SECONDS = 90.0
"""A container is removed with its data, and a server in the middle of a start comes to its end first."""


class OwnServer(Generic[S]):
    """`service` is how to reach it."""

    def __init__(self, service: S, keeper: subprocess.Popen[bytes], log: Path) -> None:
        self.service: S = service
        self._keeper = keeper
        self._log = log

    def end(self, how: str) -> None:
        """`how`: "stop", as an administrator does, or "kill", with -9. It has ended on return."""
        self._tell(how)

    def start(self) -> None:
        """It answers on return, and has what it had."""
        self._tell("start")
        wait_until(lambda: _answers(self.service), START_SECONDS)

    def _tell(self, word: str) -> None:
        assert self._keeper.stdin is not None
        assert self._keeper.stdout is not None
        self._keeper.stdin.write(f"{word}\n".encode())
        self._keeper.stdin.flush()
        assert self._keeper.stdout.readline(), self._log.read_text(errors="replace")[-3000:]


@contextmanager
def own_server(kind: type[S]) -> Iterator[OwnServer[S]]:
    with tempfile.TemporaryDirectory(prefix="own-") as folder:
        keeper, report = start_keeper(NAMES[kind], Path(folder), subprocess.PIPE)
        try:
            yield OwnServer(msgspec.json.decode(report.service, type=kind), keeper, Path(folder) / f"{NAMES[kind]}.log")
        finally:
            keeper.terminate()
            keeper.communicate(timeout=END_SECONDS)


def _answers(service: PostgresService | KafkaService) -> bool:
    match service:
        case PostgresService():
            return postgres_answers(service)
        case KafkaService():
            return kafka_answers(service)
