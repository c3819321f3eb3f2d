"""Steps of somebody who asks what a path can do: HEAD has the headers of GET, on every path of the running service."""

import re
from collections.abc import Callable, Iterator

import httpx2

from internal.api.app import ROUTES
from internal.api.docs import docs_handlers
from internal.api.schemas import PREFIX
from tests import pictures
from tests.e2e.deployment import Deployment

FOR_MACHINES = ("/health", "/health/ready", "/health/live", "/metrics")


def _paths(image: str) -> Iterator[str]:
    """Every path that has GET; `image` stands for the images."""
    named = {f"{PREFIX}/images/{{image_id}}": image, "/docs/assets/{name}": "/docs/assets/docs.js"}
    for prefix, handlers in ((PREFIX, ROUTES), ("", docs_handlers({}))):
        for handler in handlers:
            if "GET" in handler.http_methods:
                for path in handler.paths:
                    template = re.sub(r":\w+}", "}", prefix + path)
                    begin = next((known for known in named if template.startswith(known)), "")
                    yield named.get(begin, "") + template.removeprefix(begin)
    yield from FOR_MACHINES


def head_has_the_headers_of_get(service: Deployment) -> None:
    paths = list(_paths(service.processed(pictures.jpeg())))
    assert len(paths) > 12
    for path in paths:
        got, head = (_headers(service.http, method, path) for method in ("GET", "HEAD"))
        assert head == got, path
        assert service.http.head(path).content == b""


def _headers(http: httpx2.Client, method: str, path: str) -> tuple[int, dict[str, str]]:
    """Without those that belong to the moment."""
    answer = http.request(method, path, headers={"x-request-id": "head"})
    assert answer.headers["content-length"].isdecimal(), path
    of_the_moment = {"date", *(["content-length"] if path == "/metrics" else [])}
    return answer.status_code, {name: value for name, value in answer.headers.items() if name not in of_the_moment}


def a_refused_method_is_told_which_there_are(service: Deployment) -> None:
    """The headers alone, as a browser or a proxy asks."""
    expected = "GET, HEAD, OPTIONS, POST"
    assert service.http.options(f"{PREFIX}/images").headers["allow"] == expected
    assert service.http.put(f"{PREFIX}/images").headers["allow"] == expected


STEPS: list[Callable[[Deployment], None]] = [head_has_the_headers_of_get, a_refused_method_is_told_which_there_are]
