"""Access to `/metrics`."""

import httpx2
import pytest
from litestar import Litestar
from litestar.datastructures import Headers

from internal.domain.errors import Forbidden, Unauthenticated
from internal.http.loopback import is_loopback
from internal.http.middleware.access_log import AccessLog
from internal.http.middleware.methods import Methods
from internal.http.monitoring.metrics import metrics_handler
from internal.http.monitoring.metrics_access import MetricsAccess
from internal.http.problems import HANDLERS
from internal.runtime.secret import Secret

SHARED, TOKEN, APART = MetricsAccess(loopback_only=True), MetricsAccess(Secret("sesame"), loopback_only=True), MetricsAccess()
HERE, THERE = "127.0.0.1", "203.0.113.9"


@pytest.mark.parametrize(
    ("access", "client", "headers", "refused"),
    [
        (SHARED, HERE, {}, None),
        (SHARED, "::1", {}, None),
        (SHARED, THERE, {}, Forbidden),
        (SHARED, None, {}, Forbidden),
        (SHARED, THERE, {"x-forwarded-for": HERE}, Forbidden),
        (SHARED, HERE, {"x-forwarded-for": THERE}, Forbidden),  # a proxy on this machine
        (SHARED, HERE, {"x-forwarded-for": HERE}, Forbidden),  # or one that passes on what its client says
        (SHARED, HERE, {"forwarded": "for=203.0.113.9"}, Forbidden),
        (SHARED, HERE, {"x-real-ip": THERE}, Forbidden),
        (SHARED, HERE, {"x-forwarded-host": "images.example"}, Forbidden),  # one that names no address
        (SHARED, HERE, {"x-forwarded-proto": "https"}, Forbidden),
        (SHARED, HERE, {"via": "1.1 proxy"}, Forbidden),
        (SHARED, THERE, {"authorization": "Bearer "}, Forbidden),
        (TOKEN, HERE, {}, Unauthenticated),
        (TOKEN, HERE, {"authorization": "Bearer sesame"}, None),
        (TOKEN, THERE, {"authorization": "Bearer sesame"}, None),
        (TOKEN, THERE, {"authorization": "bearer  sesame", "via": "1.1 proxy"}, None),
        (TOKEN, THERE, {"authorization": "Bearer sesam"}, Unauthenticated),
        (TOKEN, THERE, {"authorization": "Bearer sesamee"}, Unauthenticated),
        (TOKEN, THERE, {"authorization": "Bearer SESAME"}, Unauthenticated),
        (TOKEN, THERE, {"authorization": "Bearer "}, Unauthenticated),
        (TOKEN, THERE, {"authorization": "Bearer sés\xe4me"}, Unauthenticated),
        (TOKEN, THERE, {"authorization": "Basic sesame"}, Unauthenticated),
        (TOKEN, THERE, {"authorization": "sesame"}, Unauthenticated),
        (APART, THERE, {}, None),
    ],
)
def test_access_to_metrics(
    access: MetricsAccess, client: str | None, headers: dict[str, str], refused: type[Exception] | None
) -> None:
    if refused is None:
        access.check(client, Headers(headers))
    else:
        with pytest.raises(refused):
            access.check(client, Headers(headers))


def test_two_tokens_are_none() -> None:
    with pytest.raises(Unauthenticated):
        TOKEN.check(THERE, Headers([(b"authorization", b"Bearer sesame"), (b"authorization", b"Bearer other")]))


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_this_machine(address: str) -> None:
    assert is_loopback(address)


@pytest.mark.parametrize("address", ["10.0.0.1", "::", "::ffff:10.0.0.1", "fe80::1%eth0", "localhost", "", None])
def test_another_machine(address: str | None) -> None:
    assert not is_loopback(address)


@pytest.mark.parametrize(
    ("access", "address", "status"), [(SHARED, THERE, 403), (SHARED, HERE, 200), (TOKEN, HERE, 401), (APART, THERE, 200)]
)
async def test_a_refusal_is_a_problem(access: MetricsAccess, address: str, status: int) -> None:
    litestar = Litestar([metrics_handler([], access)], exception_handlers=HANDLERS, openapi_config=None, logging_config=None)
    transport = httpx2.ASGITransport(app=AccessLog(Methods(litestar)), client=(address, 1))
    async with httpx2.AsyncClient(transport=transport, base_url="http://api") as http:
        answer = await http.get("/metrics")

    assert answer.status_code == status
    assert ("image_processor_" in answer.text) == (status == 200)
    assert answer.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)
    if status != 200:
        assert answer.json()["code"] == {401: "unauthenticated", 403: "forbidden"}[status]
