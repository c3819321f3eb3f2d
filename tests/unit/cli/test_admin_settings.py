"""An admin command that finds no usable settings says which ones it reads."""

import pytest

from internal.cli.program import run


def test_it_names_the_fault_and_the_way_to_a_make_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("APP_PROFILE", "MINIO_ACCESS_KEY", "MINIO_ROOT_USER"):
        monkeypatch.delenv(name, raising=False)

    assert run(["keys", "list"]) == 2

    said = capsys.readouterr().err
    assert said.startswith("imagectl: configuration: MINIO_ACCESS_KEY (minio.access_key): the object store needs a key")
    assert "APP_PROFILE=standalone for `make run`" in said
