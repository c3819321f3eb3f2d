"""How the API's process ends."""

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


def test_who_is_asked_to_end_before_it_serves_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A moment after its start: whoever has asked once waits, and asks by force when it waits for long."""
    monkeypatch.setattr(server, "configure_logging", lambda *_: None)
    monkeypatch.setattr(server, "refuse_taken_ports", lambda *_: None)
    monkeypatch.setattr(server, "_run", lambda *_: signal.raise_signal(signal.SIGTERM))

    with pytest.raises(SystemExit) as ended:
        server.serve(load_settings({}))

    assert ended.value.code == 0
