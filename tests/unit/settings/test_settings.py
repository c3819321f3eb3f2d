"""Settings: order of sources, clear refusals, and documents that are in step."""

from pathlib import Path

import pytest

from internal.runtime.project import PROJECT
from internal.settings.loader import SettingsError, load_settings, require_store_key
from internal.settings.sections import every_setting


def test_the_environment_overrides_the_files() -> None:
    settings = load_settings({"SERVER_PORT": "9999", "MINIO_SSL": "yes", "PRESETS": '{"tiny": "resize:9x9"}'})

    assert (settings.server.port, settings.minio.secure) == (9999, True)
    assert settings.processing.presets == {"tiny": "resize:9x9"}


def test_a_profile_stands_between_the_defaults_and_the_environment() -> None:
    settings = load_settings({"APP_PROFILE": "standalone", "LOG_FORMAT": "json"})

    assert (settings.storage.backend, settings.queue.backend, settings.logging.format) == ("filesystem", "postgres", "json")


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"SERVER_PORT": "many"}, "SERVER_PORT"),
        ({"SERVER_PORT": "0"}, "SERVER_PORT"),
        ({"DB_POOL_SIZE": "1"}, "DB_POOL_SIZE"),
        ({"QUEUE_BACKEND": "rabbit"}, "QUEUE_BACKEND"),
        ({"MINIO_SSL": "perhaps"}, "MINIO_SSL"),
        ({"PRESETS": "{"}, "PRESETS"),
        ({"APP_PROFILE": "nowhere"}, "nowhere.yaml"),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_variable(environment: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        load_settings(environment)


@pytest.mark.parametrize(
    ("environment", "key"),
    [
        ({"MINIO_ACCESS_KEY": "own", "MINIO_SECRET_KEY": "secret"}, ("own", "secret")),
        ({"MINIO_ROOT_USER": "root", "MINIO_ROOT_PASSWORD": "word"}, ("root", "word")),
        (
            {
                "MINIO_ACCESS_KEY": "own",
                "MINIO_SECRET_KEY": "secret",
                "MINIO_ROOT_USER": "root",
                "MINIO_ROOT_PASSWORD": "word",
            },
            ("own", "secret"),
        ),
    ],
)
def test_the_store_is_asked_with_the_access_key_or_else_with_roots(environment: dict[str, str], key: tuple[str, str]) -> None:
    settings = load_settings(environment)

    require_store_key(settings)
    assert settings.minio.key == key


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, "MINIO_ACCESS_KEY"),
        ({"MINIO_ACCESS_KEY": "own"}, "MINIO_SECRET_KEY"),
        ({"MINIO_SECRET_KEY": "secret"}, "MINIO_ACCESS_KEY"),
        ({"MINIO_ROOT_USER": "root"}, "MINIO_ROOT_PASSWORD"),
    ],
)
def test_a_store_without_a_whole_key_is_refused(environment: dict[str, str], named: str) -> None:
    """There were default keys, the same for everybody."""
    with pytest.raises(SettingsError, match=named):
        require_store_key(load_settings(environment))
    require_store_key(load_settings({**environment, "APP_PROFILE": "standalone"} | {"MINIO_ACCESS_KEY": ""}))


def test_an_unknown_key_in_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "default.yaml").write_text((PROJECT / "config/default.yaml").read_text(), encoding="utf-8")
    (tmp_path / "local.yaml").write_text("server:\n  prot: 80\n", encoding="utf-8")

    with pytest.raises(SettingsError, match="prot"):
        load_settings({}, tmp_path)


@pytest.mark.parametrize("document", [".env.example", "docs/configuration.md"])
def test_every_variable_is_documented(document: str) -> None:
    text = (PROJECT / document).read_text(encoding="utf-8")

    assert [setting.variable for setting in every_setting() if setting.variable not in text] == []


def test_no_two_settings_share_a_variable() -> None:
    variables = [setting.variable for setting in every_setting()]

    assert len(variables) == len(set(variables))
