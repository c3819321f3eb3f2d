"""Quotas against what is there and what is asked for."""

import pytest

from internal.domain.errors import QuotaExceeded
from internal.domain.owner import UNLIMITED, Owner, Quotas, Usage


@pytest.mark.parametrize(
    ("quotas", "used", "more"),
    [
        (Quotas(), Usage(10**9, 10**15, 10**6), Usage(1, 1, 1)),
        (Quotas(images=2), Usage(images=1), Usage(images=1)),
        (Quotas(bytes=10), Usage(bytes=4), Usage(images=1, bytes=6)),
        (Quotas(images=1), Usage(images=5), Usage(queued=1)),  # images are the quota of uploads only
        (Quotas(bytes=10), Usage(bytes=10), Usage(queued=1)),
    ],
)
def test_what_fits_passes(quotas: Quotas, used: Usage, more: Usage) -> None:
    quotas.require(used, more)


@pytest.mark.parametrize(
    ("quotas", "used", "more", "quota"),
    [
        (Quotas(images=2), Usage(images=2), Usage(images=1), "images"),
        (Quotas(bytes=10), Usage(bytes=4), Usage(images=1, bytes=7), "bytes"),
        (Quotas(queued=3), Usage(queued=2), Usage(queued=2), "queued"),
        (Quotas(bytes=10), Usage(bytes=11), Usage(queued=1), "bytes"),
        (Quotas(0, 0, 0), Usage(), Usage(1, 1, 1), "images"),
    ],
)
def test_what_does_not_fit_is_refused_by_the_quotas_name(quotas: Quotas, used: Usage, more: Usage, quota: str) -> None:
    with pytest.raises(QuotaExceeded) as refused:
        quotas.require(used, more)

    assert refused.value.quota == quota
    assert (refused.value.used, refused.value.allowed) == (getattr(used, quota), getattr(quotas, quota))


def test_an_owners_own_quotas_go_before_the_configured_ones() -> None:
    owner = Owner("me", quota_images=0, quota_queued=UNLIMITED)

    assert owner.quotas(Quotas(5, 6, 7)) == Quotas(0, 6, UNLIMITED)
