"""A pipeline of the configuration that can't be used stops the start, in one line that names it."""

import subprocess
import sys

import pytest

from internal.pipeline.language.grammar import Grammar
from internal.runtime.section import SettingsError
from internal.settings.loader import load_settings
from internal.settings.presets import configured_grammar
from tests.e2e.processes import PROJECT, environment


def grammar_of(variables: dict[str, str]) -> Grammar:
    settings = load_settings(variables)
    return configured_grammar(settings.processing, settings.limits)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"PRESETS": '{"thumb": "resze:1x1"}'}, r"PRESETS \(processing\.presets\): The preset `thumb` can't be used: .*`resize`"),
        ({"PRESETS": '{"a": "flip", "b": "preset:c"}'}, r"PRESETS .*The preset `b`"),
        ({"DEFAULT_PROCESSING": "resize:0x0"}, r"DEFAULT_PROCESSING \(processing\.default\): `resize`"),
        ({"DEFAULT_PROCESSING": "preset:gone"}, r"DEFAULT_PROCESSING .*There is no preset `gone`"),
    ],
)
def test_a_bad_pipeline_is_named(variables: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        grammar_of(variables)


@pytest.mark.parametrize("program", ["api", "worker", "standalone", "migrate"])
def test_no_process_starts_with_one(program: str) -> None:
    command = [sys.executable, "-P", str(PROJECT / f"cmd/{program}/main.py")]
    variables = environment(PRESETS='{"thumb": "resze:1x1"}')

    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("configuration: PRESETS (processing.presets): The preset `thumb` can't be used")
    assert len(done.stderr.splitlines()) == 1


def test_the_configured_presets_and_formats_are_known() -> None:
    grammar = grammar_of({"PRESETS": '{"tiny": "resize:9x9"}', "FORMAT_AUTO": "avif"})

    assert grammar.parse("preset:tiny|format:auto").canonical == "resize:9x9|format:auto,modern=avif"
