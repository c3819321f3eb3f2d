"""Both deployments pass the journey: real processes, started as from a shell. test_compose.py sends the containers on it."""

from collections.abc import Callable

import pytest

from tests.e2e.deployment import Deployment
from tests.e2e.journey import STEPS, step_name


@pytest.mark.parametrize("step", STEPS, ids=step_name)
def test_standalone(step: Callable[[Deployment], None], in_one_terminal: Deployment) -> None:
    step(in_one_terminal)


@pytest.mark.parametrize("step", STEPS, ids=step_name)
def test_full_stack(step: Callable[[Deployment], None], full_stack: Deployment) -> None:
    step(full_stack)
