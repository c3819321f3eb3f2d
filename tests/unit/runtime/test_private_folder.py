"""Private folders in world-writable places: nothing starts if another user has access."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from internal.domain.errors import StartRefused
from internal.runtime.private_folder import private_folder
from internal.sandbox.locked_tempdir import private_locked_tempdir
from internal.standalone.postgres import _import_starter

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")


def _refusal(path: Path) -> str:
    with pytest.raises(StartRefused) as refused:
        private_folder(path)
    assert str(path) in str(refused.value)
    return str(refused.value)


def test_a_missing_folder_is_made_for_this_user_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = private_folder(tmp_path / "place")
    finally:
        os.umask(before)

    assert made.stat().st_mode & 0o777 == 0o700
    assert private_folder(tmp_path / "place") == made


@as_root
def test_another_users_folder_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir(mode=0o700)
    os.chown(place, 12345, 12345)

    assert "belongs to user 12345" in _refusal(place)


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701, 0o777])
def test_a_folder_that_others_may_enter_is_refused(mode: int, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    place.chmod(mode)

    assert f"{mode:04o}" in _refusal(place)
    assert place.stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("target", ["folder", "nothing", "file"])
def test_a_link_is_refused(target: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o700)
    (tmp_path / "file").touch()
    place = tmp_path / "place"
    place.symlink_to(tmp_path / target)

    assert "symbolic link" in _refusal(place)
    assert not (tmp_path / "nothing").exists()


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "place").touch()

    _refusal(tmp_path / "place")


def test_a_place_where_others_may_rename_it_is_refused(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)

    assert "not sticky" in _refusal(shared / "place")
    shared.chmod(0o1777)
    private_folder(shared / "place")


def test_pictures_in_work_lie_in_a_private_folder(tmp_path: Path) -> None:
    name = f"image-processor-work-{os.getuid()}"
    with private_locked_tempdir(tmp_path) as first, private_locked_tempdir(tmp_path) as second:
        assert first.parent == second.parent == tmp_path / name
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o700
    assert list(tmp_path.iterdir()) == []

    (tmp_path / name).mkdir(mode=0o755)
    with pytest.raises(StartRefused, match=name), private_locked_tempdir(tmp_path):
        pass


@pytest.mark.parametrize("inside", ["", "python_PostgresServer"])
def test_the_embedded_databases_sockets_lie_in_a_private_folder(
    inside: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "")  # so that it is again as it was, also where it was not set
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("importlib.import_module", lambda _: pytest.fail("it was imported before its folder was looked at"))
    place = tmp_path / f"image-processor-run-{os.getuid()}"
    if inside:
        place.mkdir(mode=0o700)
    (place / inside).mkdir()
    (place / inside).chmod(0o755)

    with pytest.raises(StartRefused, match=str(place / inside)):
        _import_starter()


@pytest.mark.parametrize("given", ["missing", "nobodys", "relative"])
def test_a_runtime_folder_that_is_not_ours_is_passed_over(given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`su` and containers pass on such values."""
    (tmp_path / "nobodys").mkdir(mode=0o700)
    (tmp_path / "relative").mkdir(mode=0o700)
    monkeypatch.chdir(tmp_path)
    stat = Path.stat

    def of_another(path: Path, **named: bool) -> os.stat_result:
        found = stat(path, **named)
        return os.stat_result((*found[:4], os.geteuid() + 1, *found[5:10])) if path.name == "nobodys" else found

    monkeypatch.setattr(Path, "stat", of_another)
    monkeypatch.setenv("XDG_RUNTIME_DIR", given if given == "relative" else str(tmp_path / given))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("importlib.import_module", lambda _: SimpleNamespace(get_server=None))

    _import_starter()

    runtime = tmp_path / f"image-processor-run-{os.getuid()}"
    assert os.environ["XDG_RUNTIME_DIR"] == str(runtime)
    assert (runtime / "python_PostgresServer").stat().st_mode & 0o777 == 0o700
