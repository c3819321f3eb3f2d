"""The one table: every error has a status, a stable code and a sentence."""

import inspect

import pytest

from internal.domain import errors
from internal.domain.errors import ServiceError
from internal.http.problems import STATUS, status_of

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, ServiceError)]
ONLY_INSIDE = {
    ServiceError, errors.ObjectNotFound, errors.DecoderFailed, errors.DecoderOutOfMemory, errors.DecoderTimeout,
    errors.OriginalDamaged, errors.WorkerLost, errors.OutputTooLarge, errors.StoreRefused,
}  # fmt: skip
"""These end in a rendition's status, at an operator's terminal, or as a plain 500; no request is answered with their code."""


@pytest.mark.parametrize("kind", ALL)
def test_every_error_says_something_to_people(kind: type[ServiceError]) -> None:
    detail = kind().detail

    assert detail.endswith(".")
    assert "\n" not in detail
    assert kind.code == kind.code.lower().replace(" ", "_")


@pytest.mark.parametrize("kind", [kind for kind in ALL if kind not in ONLY_INSIDE])
def test_every_error_that_leaves_the_api_has_a_row(kind: type[ServiceError]) -> None:
    assert status_of(kind) in set(STATUS.values())


def test_an_error_takes_its_nearest_ancestors_row() -> None:
    assert status_of(errors.StoreUnavailable) == 503
    assert status_of(errors.ObjectNotFound) == 500


def test_codes_are_unique_but_for_families() -> None:
    by_code: dict[str, list[type[ServiceError]]] = {}
    for kind in ALL:
        by_code.setdefault(kind.code, []).append(kind)

    for family in by_code.values():
        assert any(all(issubclass(kind, root) for kind in family) for root in family)
