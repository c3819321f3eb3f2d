"""`/metrics`: counts per route and never per id; sources that fail are omitted."""

from collections.abc import Sequence
from typing import cast

from litestar import Litestar, get
from litestar.params import FromPath
from litestar.testing import TestClient
from prometheus_client.parser import text_string_to_metric_families

from internal.domain.errors import DatabaseUnavailable
from internal.http.asgi import App
from internal.http.middleware.access_log import AccessLog
from internal.http.monitoring.metrics import metrics_handler
from internal.observability.gauges import ScrapedGauge


async def depth() -> Sequence[ScrapedGauge]:
    return [ScrapedGauge("lag", "Messages.", {"fast": 3, "slow": 0}, label="lane"), ScrapedGauge("depth", "Rows.", 7)]


async def gone() -> Sequence[ScrapedGauge]:
    raise DatabaseUnavailable


@get("/things/{thing:str}")
async def thing(thing: FromPath[str]) -> str:
    return thing


def samples(client: TestClient[Litestar]) -> dict[tuple[str, ...], float]:
    """By name and label values."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


def test_measures_are_shown_and_a_source_that_is_down_hides_no_other() -> None:
    with TestClient(Litestar([metrics_handler([gone, depth])], openapi_config=None)) as client:
        found = samples(client)

    assert found["image_processor_lag", "fast"] == 3
    assert found["image_processor_depth",] == 7


def test_the_content_type_names_the_charset_once() -> None:
    """Litestar 2.25.0 adds it to whatever begins with `text/`, also where it is there already."""
    with TestClient(Litestar([metrics_handler([])], openapi_config=None)) as client:
        assert client.get("/metrics").headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_requests_are_counted_by_route_and_status() -> None:
    app = Litestar([thing, metrics_handler([])], openapi_config=None)
    with TestClient(cast("Litestar", AccessLog(cast("App", app)))) as client:
        before = samples(client)
        for path in ("/things/1", "/things/2", "/nothing/3"):
            client.get(path)
        after = samples(client)

    def added(*key: str) -> float:
        return after.get(key, 0) - before.get(key, 0)

    assert added("image_processor_http_requests_total", "GET", "/things/{thing}", "200") == 2
    assert added("image_processor_http_request_duration_seconds_count", "GET", "/things/{thing}") == 2
    assert added("image_processor_http_requests_total", "GET", "unmatched", "404") == 1
