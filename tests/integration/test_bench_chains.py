"""What is written by hand for the measurements is the same as what the service makes: else they would compare two things."""

from pathlib import Path

import pytest

from bench.baseline_pyvips import BY_NAME
from bench.chain_rounds import BASELINE, RENDER, SANDBOX, WAYS, Order, Outcome, target_of
from bench.distance import distance
from bench.programs import run
from bench.sandbox import in_memory


@pytest.mark.parametrize("name", ["100 kB JPEG -> 300", "2 MP on its side -> 300", "GIF of 24 frames -> 320 WebP"])
def test_a_chain_gives_the_same_picture_in_the_sandbox_in_process_and_as_baseline(name: str, tmp_path: Path) -> None:
    order = Order(name, in_memory(BY_NAME[name].source(), tmp_path), rounds=1, seconds=0.01, processes=1, folder=tmp_path)

    outcome = run("bench.chain_rounds", order, Outcome)

    assert all(outcome.rounds[way][0].cpu > 0 for way in WAYS)
    ours, in_process, baseline = (target_of(tmp_path, way, 0) for way in (SANDBOX, RENDER, BASELINE))
    assert ours.read_bytes() == in_process.read_bytes()
    assert distance(ours, baseline) < 1.5
    assert ours.stat().st_size == pytest.approx(baseline.stat().st_size, rel=0.1)
