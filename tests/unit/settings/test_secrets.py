"""Where secrets come from: variables, files that a variable names, and the operator's own YAML. And where they never appear."""

import json
import shutil
import traceback
from pathlib import Path
from typing import Any

import pytest

from internal.runtime.project import PROJECT
from internal.runtime.secret import NO_SECRET, Secret
from internal.runtime.secret_file import MAX_BYTES
from internal.runtime.section import SettingsError
from internal.settings.loader import load_settings
from internal.settings.sections import Setting, Settings, every_setting

CANARY = "canary-0f8e7d6c"
SECRETS = [setting for setting in every_setting() if setting.secret]
each_secret = pytest.mark.parametrize("setting", SECRETS, ids=lambda setting: setting.variable)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of YAML files as the repository has it."""
    return shutil.copytree(PROJECT / "config", tmp_path / "config", ignore=shutil.ignore_patterns("local.yaml"))


def value_of(settings: Settings, setting: Setting) -> Any:
    return getattr(getattr(settings, setting.section), setting.name)


def whole(error: BaseException) -> str:
    """All that a traceback shows of an error, with what caused it."""
    return "".join(traceback.format_exception(error))


def test_what_is_secret_is_declared_so() -> None:
    """A setting that is called a password, a token or a key to sign with is a Secret."""
    named = {
        it.variable for it in every_setting() if it.variable.endswith(("PASSWORD", "TOKEN", "SECRET", "SECRET_KEY", "LINK_KEYS"))
    }

    assert named == {setting.variable for setting in SECRETS}
    assert {"DB_PASSWORD", "MINIO_SECRET_KEY", "MINIO_ROOT_PASSWORD", "KAFKA_SASL_PASSWORD", "METRICS_TOKEN"} <= named


@each_secret
def test_a_secret_has_no_default(setting: Setting) -> None:
    assert value_of(load_settings({}), setting) == value_of(load_settings({"APP_PROFILE": "standalone"}), setting) == NO_SECRET


@each_secret
@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_a_secret_is_read_from_a_file(setting: Setting, end: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(f" {CANARY}\n{CANARY} {end}".encode())

    settings = load_settings({setting.file_variable: str(file), setting.variable: ""})

    assert value_of(settings, setting) == Secret(f" {CANARY}\n{CANARY} ")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (CANARY.encode() + b"\xff", "is not text in UTF-8"),
        (CANARY.encode() * (MAX_BYTES // 10), f"has more than {MAX_BYTES} bytes"),
    ],
)
def test_a_file_without_a_secret_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)

    with pytest.raises(SettingsError, match=f"^DB_PASSWORD_FILE: {file} {reason}") as refused:
        load_settings({"DB_PASSWORD_FILE": str(file)})

    assert CANARY not in whole(refused.value)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/nowhere/secret", "No such file or directory"),
        ("/", "Is a directory"),
        ("a\0b", "null"),
        ("/dev/zero", f"has more than {MAX_BYTES} bytes"),
    ],
)
def test_a_file_that_can_not_be_read_is_named(path: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=f"^METRICS_TOKEN_FILE: {path} .*{reason}"):
        load_settings({"METRICS_TOKEN_FILE": path})


@each_secret
def test_a_secret_that_comes_twice_is_refused(setting: Setting, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(CANARY, encoding="utf-8")
    both = {setting.variable: CANARY, setting.file_variable: str(tmp_path / "secret")}

    with pytest.raises(SettingsError, match=f"^{setting.variable} and {setting.file_variable} are both set: set one") as refused:
        load_settings(both)

    assert CANARY not in whole(refused.value)


def test_other_settings_are_read_from_no_file(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("1234", encoding="utf-8")

    assert load_settings({"SERVER_PORT_FILE": str(tmp_path / "port")}).server.port == 8080


@each_secret
@pytest.mark.parametrize("file", ["default.yaml", "standalone.yaml"])
def test_no_file_of_the_repository_has_a_secret(setting: Setting, file: str, folder: Path) -> None:
    (folder / file).write_text(json.dumps({setting.section: {setting.name: CANARY}}), encoding="utf-8")
    if file != "default.yaml":
        assert (folder / "default.yaml").read_text(encoding="utf-8")

    with pytest.raises(SettingsError, match=f"^{file} has {setting.path}, a secret: set {setting.variable} or ") as refused:
        load_settings({"APP_PROFILE": "standalone"}, folder)

    assert CANARY not in whole(refused.value)


@each_secret
def test_the_operators_own_file_may_have_one(setting: Setting, folder: Path) -> None:
    (folder / "local.yaml").write_text(json.dumps({setting.section: {setting.name: CANARY}}), encoding="utf-8")

    assert value_of(load_settings({}, folder), setting) == Secret(CANARY)
    assert value_of(load_settings({setting.variable: "other"}, folder), setting) == Secret("other")


@pytest.mark.parametrize(
    "text",
    [
        f"database:\n  password: {CANARY}\n  broken: [",
        f"database: {{password: {CANARY}: x: y",
        f"database: {CANARY}",
        f"{CANARY}",
        f"database:\n  password: [{CANARY}]",
        f"database:\n  password: {{{CANARY}: 1}}",
        f"database:\n  password: !!python/object:{CANARY} 1",
        f"database:\n  password: {CANARY}\n  password: @{CANARY}",
    ],
)
def test_a_bad_yaml_is_not_quoted(text: str, folder: Path) -> None:
    """PyYAML 6.0.3 puts the line that it does not understand into the text of its errors."""
    (folder / "local.yaml").write_text(text, encoding="utf-8")

    with pytest.raises(SettingsError) as refused:
        load_settings({}, folder)

    assert CANARY not in whole(refused.value)


def test_a_number_is_no_secret(folder: Path) -> None:
    """YAML reads 0123 as 83: a secret without quotes might become another one."""
    (folder / "local.yaml").write_text("database:\n  password: 0123\n", encoding="utf-8")

    with pytest.raises(SettingsError, match=r"^DB_PASSWORD \(database\.password\): expected a text, in quotes$") as refused:
        load_settings({}, folder)

    assert "83" not in str(refused.value)


def test_no_repr_shows_one() -> None:
    settings = load_settings({setting.variable: CANARY for setting in SECRETS})

    for shown in (settings, *(getattr(settings, name) for name in settings.__struct_fields__), settings.minio.key):
        assert CANARY not in f"{shown!r} {shown!s} {shown}"
    assert repr(settings).count("Secret(set)") == len(SECRETS)


def test_a_value_that_can_not_be_used_is_not_quoted() -> None:
    with pytest.raises(SettingsError, match=r"^METRICS_TOKEN \(metrics\.token\): expected printable ASCII") as refused:
        load_settings({"METRICS_TOKEN": f"{CANARY} with a space"}).metrics.validate()

    assert CANARY not in whole(refused.value)
