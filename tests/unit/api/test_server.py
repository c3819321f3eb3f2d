"""How the API's process ends on SIGTERM."""

import signal
from collections.abc import Iterator

import pytest

from internal.api import server
from internal.settings.loader import load_settings


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_sigterm_before_serving_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM just after the start: without a handler a supervisor would wait, and then kill."""
    monkeypatch.setattr(server, "configure_logging", lambda *_: None)
    monkeypatch.setattr(server, "refuse_taken_ports", lambda *_: None)
    monkeypatch.setattr(server, "_run", lambda *_: signal.raise_signal(signal.SIGTERM))

    with pytest.raises(SystemExit) as ended:
        server.serve(load_settings({}))

    assert ended.value.code == 0
