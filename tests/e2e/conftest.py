"""Steps are plain modules: this makes their assertions say what they saw, as those of tests do."""

import pytest

pytest.register_assert_rewrite("tests.e2e.steps_use", "tests.e2e.steps_refusals", "tests.e2e.processes")
