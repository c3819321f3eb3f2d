"""The loader: the order of its sources, and refusals that name the variable."""

import json
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest

from internal.runtime.project import PROJECT
from internal.runtime.secret import Secret
from internal.runtime.section import SettingsError
from internal.settings.loader import load_settings
from internal.settings.sections import Setting, every_setting


def test_the_environment_overrides_the_files() -> None:
    settings = load_settings({"SERVER_PORT": "9999", "MINIO_SSL": "yes", "PRESETS": '{"tiny": "resize:9x9"}'})

    assert (settings.server.port, settings.minio.secure) == (9999, True)
    assert settings.processing.presets == {"tiny": "resize:9x9"}


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"AUTH_MODE": "keys"}, "AUTH_MODE (auth.mode): Invalid enum value 'keys'. It is one of none, key, jwt, key+jwt"),
        ({"QUEUE_BACKEND": "rabbit"}, ". It is one of kafka, postgres"),
        ({"AUTH_ALLOW_ANONYMOUS": "maybe"}, ". It is true or false"),
        ({"QUOTA_BYTES": "ten"}, ". It is: Bytes that an owner may have, originals and renditions, such as 10G."),
    ],
)
def test_a_refusal_says_what_the_setting_takes(environment: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(environment)

    assert told in str(refused.value)


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


def test_an_unknown_key_in_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "default.yaml").write_text((PROJECT / "config/default.yaml").read_text(), encoding="utf-8")
    (tmp_path / "local.yaml").write_text("server:\n  prot: 80\n", encoding="utf-8")

    with pytest.raises(SettingsError, match="prot"):
        load_settings({}, tmp_path)


def test_no_two_settings_share_a_variable() -> None:
    variables = [setting.variable for setting in every_setting()]

    assert len(variables) == len(set(variables))


OTHER_VALUES: dict[Any, Any] = {int: "77", float: "7.5", bool: True, dict[str, str]: {"other": "flip"}}
OTHER_VALUES |= dict.fromkeys((str, Secret), "other")


@pytest.mark.parametrize("setting", list(every_setting()), ids=lambda setting: setting.variable)
def test_every_setting_is_read_from_its_variable_and_from_the_yaml(setting: Setting, tmp_path: Path) -> None:
    """The loader knows none of them by name."""
    value = get_args(setting.type)[-1] if get_origin(setting.type) is Literal else OTHER_VALUES[setting.type]
    own = {"SANDBOX_REQUIRE": "seccomp", "SERVER_ADDRESS_SHARE": "0.75", "SERVER_OWNER_SHARE": "0.75", "METRICS_TOKEN": "token"}
    value = own.get(setting.variable, value)
    value = "9" if setting.section == "quotas" else value
    value = "300000000" if setting.variable == "SANDBOX_MEMORY_BYTES" else value
    text = value if isinstance(value, str) else json.dumps(value)
    (tmp_path / "default.yaml").write_text((PROJECT / "config/default.yaml").read_text(), encoding="utf-8")
    usual = load_settings({}, tmp_path)

    from_environment = load_settings({setting.variable: text}, tmp_path)
    (tmp_path / "local.yaml").write_text(json.dumps({setting.section: {setting.name: value}}), encoding="utf-8")
    from_yaml = load_settings({}, tmp_path)

    assert from_environment == from_yaml != usual
