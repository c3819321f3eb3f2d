"""The table of outcomes: how an attempt ends, by what happened to it."""

import asyncio

import pytest

from internal.domain import errors
from internal.domain.errors import PERMANENT, ServiceError, Unavailable
from internal.domain.rendition import Result
from internal.ports.sandbox import Encoded, Rendered
from internal.rendering.attempt import AttemptResult
from internal.rendering.lease import StaleClaim
from internal.rendering.transitions import Outcome, failure_of, outcome_of

MAX = 3

ENCODED = Encoded(8, 8, 1, 100, "image/png")
RESULT = AttemptResult(
    Result("key", "hash", 100, 8, 8, 1, "image/png"), (), Rendered(ENCODED, None, None, seconds=0.1, cpu_seconds=0.1), {}
)

OUTAGES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Unavailable)]


@pytest.mark.parametrize("attempts", [1, MAX])
def test_a_result_is_processed_also_in_the_last_attempt(attempts: int) -> None:
    assert outcome_of(RESULT, attempts, MAX) is Outcome.PROCESSED


@pytest.mark.parametrize("attempts", [1, MAX])
def test_a_stale_claim_is_lost_and_a_cancelled_attempt_is_released(attempts: int) -> None:
    assert outcome_of(StaleClaim(), attempts, MAX) is Outcome.LOST
    assert outcome_of(asyncio.CancelledError(), attempts, MAX) is Outcome.RELEASED


@pytest.mark.parametrize("attempts", [1, MAX])
@pytest.mark.parametrize("outage", OUTAGES)
def test_no_outage_ever_fails_a_rendition(outage: type[Unavailable], attempts: int) -> None:
    assert outcome_of(outage(), attempts, MAX) is Outcome.PAUSED


@pytest.mark.parametrize("permanent", PERMANENT)
def test_what_no_attempt_can_mend_fails_at_once(permanent: type[ServiceError]) -> None:
    assert outcome_of(permanent("why"), 1, MAX) is Outcome.FAILED


@pytest.mark.parametrize("error", [errors.DecoderFailed(), errors.OriginalDamaged(), errors.WorkerLost(), RuntimeError("ours")])
def test_any_other_error_is_postponed_until_the_last_attempt(error: Exception) -> None:
    outcomes = [outcome_of(error, attempts, MAX) for attempts in (1, 2, 3, 4)]

    assert outcomes == [Outcome.POSTPONED, Outcome.POSTPONED, Outcome.FAILED, Outcome.FAILED]


def test_an_error_of_our_own_shows_nothing_of_itself() -> None:
    failure = failure_of(RuntimeError("a secret path"))

    assert failure.code == "internal_error"
    assert "secret" not in failure.detail
