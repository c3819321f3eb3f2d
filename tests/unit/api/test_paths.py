"""Each path has one spelling: any other spelling is not found, so that a proxy's rule for a path holds."""

import re
from collections.abc import Iterator

import pytest

from internal.api.requests.request import image_id_of
from internal.domain.errors import NotFound
from tests.unit.api.test_methods import APP, PATHS
from tests.unit.http.serving import Served, read_to_end, serving

ID = "0192f0c1-7c1e-7b7e-9d57-0e1f4a3c2b1a"


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving(APP) as server:
        yield server


def _status(served: Served, target: str, method: str = "OPTIONS") -> int:
    """OPTIONS asks for nothing but whether there is such a path."""
    with served.connected() as connection:
        connection.sendall(f"{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode("latin-1"))
        return int(read_to_end(connection).split(b" ", 2)[1])


def _other_spellings(path: str) -> Iterator[str]:
    """What servers and proxies are known to take for the same path."""
    yield from (f"/{path}", f"//{path}", f"{path}/", f"{path}//", f"/.{path}", f"/x/..{path}", f"{path}/.")
    yield from (f"{path};", f"{path};a=b", f"{path}%20", f"{path}%00", f"{path}%2f", f"{path}#", f"{path}#x")
    yield from (f"{path}\\", f"\\{path[1:]}", f"%2f{path[1:]}")
    if path == "/":
        return
    first, rest = path[1], path[2:]
    code = f"{ord(first):02x}"
    yield from (f"/%{code}{rest}", f"/%{code.upper()}{rest}#", f"/%25{code}{rest}", f"{path[:-1]}%{ord(path[-1]):02x}")
    yield from (f"/{first.upper()}{rest}", re.sub(r"/[a-z]+", lambda part: part[0].upper(), path))
    if "/" in rest:
        yield from (f"/{first}{rest.replace('/', mark, 1)}" for mark in ("//", "/./", "%2f", "%2F", "\\", "/x/../"))


def _is_another_id(target: str, path: str) -> bool:
    """True if it is a path with another value of a parameter, such as `{id};`: nothing has that id, so it is not found.

    An owner's name is any text, in any spelling.
    """
    return (
        target.startswith("/api/v1/admin/owners/")
        or (path.endswith(ID) and target.startswith((f"{path};", f"{path}\\")))
        or target
        in (
            "/api/v1/images/.",
            "/api/v1/keys/.",
        )
    )


@pytest.mark.parametrize("target", [f"/api/v1/images/{ID};", f"/api/v1/images/{ID}\\", "/api/v1/images/.", "/api/v1/images/.."])
def test_a_text_that_is_no_id_is_not_found(target: str) -> None:
    with pytest.raises(NotFound):
        image_id_of(target.rpartition("/")[2])


@pytest.mark.parametrize("path", [path for path, _ in PATHS])
def test_any_other_spelling_is_not_found(served: Served, path: str) -> None:
    """Litestar 2.25.0 takes `//metrics` and `/metrics/`, uvicorn 0.54.0 decodes `/%6detrics` and drops `#x`."""
    assert {target: _status(served, target) for target in (path, f"{path}?", f"http://x{path}")} == {
        path: 204,
        f"{path}?": 204,  # an empty query is a query
        f"http://x{path}": 204,  # the absolute form, which every server takes (RFC 9112, 3.2.2)
    }
    found = {target: _status(served, target) for target in _other_spellings(path) if not _is_another_id(target, path)}
    assert {target: status for target, status in found.items() if status not in (404, 400)} == {}
    assert list(found.values()).count(400) <= 3, found  # what is no target at all, as one without a slash


@pytest.mark.parametrize(
    "target", ["//metrics", "/metrics/", "/METRICS", "/%6detrics", "//health", "/health/", "//api/v1/limits"]
)
def test_nothing_is_served_under_another_name(served: Served, target: str) -> None:
    assert _status(served, target, "GET") == 404
    assert _status(served, target, "HEAD") == 404


@pytest.mark.parametrize("target", ["http://x", "*", "x", "/\xff", "/%ff", "/%", "http://", "x:80"])
def test_an_invalid_target_is_refused(served: Served, target: str) -> None:
    assert _status(served, target, "GET") in (400, 404)


@pytest.mark.parametrize("name", ["shop", "auth0%7C5f7c", "M%C3%BCller%20%26%20Co", "a@b"])
def test_an_owners_name_may_be_percent_encoded_and_nothing_else(served: Served, name: str) -> None:
    assert _status(served, f"/api/v1/admin/owners/{name}") == 204
    assert _status(served, f"/api/v1/%61dmin/owners/{name}") == 404
    assert _status(served, f"/api/v1/admin/owners/{name}%2Fx") == 404
