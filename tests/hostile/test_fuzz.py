"""Mutants end with a result or an error code, and the parent of the decoders survives. More: `make fuzz`"""

from pathlib import Path

from tests.hostile.fuzz import RESULT, fuzz
from tests.hostile.mutants import CHAINS, Mutant, mutant, originals

SEED = 20261121
MUTANTS = 210


async def test_mutants_end_with_a_result_or_a_code(tmp_path: Path) -> None:
    outcomes = await fuzz((mutant(SEED, number) for number in range(MUTANTS)), tmp_path)

    assert [(SEED, found.mutant.number, found.mutant.story, found.code, found.detail) for found in outcomes if found.bad] == []
    assert sorted(found.mutant.number for found in outcomes) == list(range(MUTANTS))
    assert {RESULT, "invalid_image"} <= {found.code for found in outcomes}  # the mutants are neither all dead nor all well


async def test_the_seeds_of_the_mutants_are_valid(tmp_path: Path) -> None:
    """Control: the unchanged pictures are valid."""
    good = [
        Mutant(0, number, media_type, data, CHAINS[number % len(CHAINS)], name)
        for number, (name, media_type, data) in enumerate(originals())
    ]

    outcomes = await fuzz(good, tmp_path)

    assert [(found.mutant.story, found.code, found.detail) for found in outcomes if found.code != RESULT] == []


def test_a_mutant_can_be_made_again() -> None:
    assert [mutant(SEED, number) for number in range(50)] == [mutant(SEED, number) for number in range(50)]
    assert mutant(SEED, 3) != mutant(SEED + 1, 3)
