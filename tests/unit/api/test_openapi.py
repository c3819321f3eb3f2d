"""The OpenAPI document matches the code: routes, problems, bodies and examples."""

import hashlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import openapi_spec_validator
from litestar.handlers import HTTPRouteHandler

from internal.api.app import ROUTES, api_document
from internal.api.openapi.problems import problems
from internal.api.routes.operations import CatalogueBody, LimitsBody
from internal.api.schemas import PREFIX, ImageBody, ImageChange, LinkBody, MessageBody, NewLink, NewRendition, PageBody
from internal.domain import errors
from internal.http.monitoring.health import Live, health_handlers
from internal.http.problems import CODE_OF_STATUS, PROBLEMS, RETRY_LATER, Problem, detail_of
from internal.observability.health import Report
from internal.runtime.project import PROJECT

DOCUMENT = msgspec.json.decode(msgspec.json.encode(api_document()))
CALLS = Path(__file__).parents[3] / "docs" / "api" / "api.http"

BODIES = (
    ImageBody,
    PageBody,
    NewRendition,
    ImageChange,
    NewLink,
    LinkBody,
    MessageBody,
    CatalogueBody,
    LimitsBody,
    Report,
    Live,
    Problem,
)

Call = tuple[str, str]


def _operations() -> Iterator[tuple[Call, Any]]:
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            yield (method.upper(), path), operation


def _served(prefix: str, handlers: list[HTTPRouteHandler]) -> set[Call]:
    return {
        (str(method), prefix + re.sub(r":\w+}", "}", path))
        for handler in handlers
        for path in handler.paths
        for method in handler.http_methods
    }


def _every(node: Any, key: str) -> Iterator[Any]:
    """The values of `key` anywhere in the document."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == key:
                yield value
            yield from _every(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from _every(value, key)


def _resolved(node: Any) -> Any:
    while isinstance(node, dict) and "$ref" in node:
        node = _at(node["$ref"])
    return node


def _at(reference: str) -> Any:
    found = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def _problem_answers() -> Iterator[tuple[Call, int, Any]]:
    for call, operation in _operations():
        for status, answer in operation["responses"].items():
            if "application/problem+json" in answer.get("content", {}):
                yield call, int(status), answer


def _codes() -> set[str]:
    """Each code that the document promises for some operation."""
    return {
        code
        for _, _, answer in _problem_answers()
        for part in answer["content"]["application/problem+json"]["schema"]["allOf"]
        for code in part.get("properties", {}).get("code", {}).get("enum", [])
    }


def test_it_is_openapi() -> None:
    openapi_spec_validator.validate(DOCUMENT)


def test_its_bytes_are_the_same_each_time() -> None:
    """Litestar 2.25.0 keeps the methods of a path in a set: parts of the document came in another order in each process."""
    assert len({msgspec.json.encode(api_document()) for _ in range(6)}) == 1


def test_it_has_every_route_and_no_other() -> None:
    served = _served(PREFIX, ROUTES) | _served("", health_handlers({}))
    assert {call for call, _ in _operations()} == served | {("HEAD", path) for method, path in served if method == "GET"}


def test_head_has_the_answers_of_get_without_a_body_and_without_ranges() -> None:
    for path, operations in DOCUMENT["paths"].items():
        if "get" not in operations:
            assert "head" not in operations, path
            continue
        got, head = operations["get"]["responses"], operations["head"]["responses"]
        assert head.keys() == got.keys() - {"206", "416"}, path
        for status, answer in head.items():
            assert answer == {name: part for name, part in got[status].items() if name != "content"}, (path, status)


def test_operations_are_named_once_and_filed_under_a_tag() -> None:
    names = [operation["operationId"] for _, operation in _operations()]
    assert len(names) == len(set(names))
    tags = {tag["name"] for tag in DOCUMENT["tags"]}
    assert {tag for _, operation in _operations() for tag in operation["tags"]} <= tags


def test_every_reference_leads_somewhere() -> None:
    references = set(_every(DOCUMENT, "$ref"))
    assert references
    for reference in references:
        assert isinstance(_at(reference), dict), reference


def test_no_shared_part_is_idle() -> None:
    shared = {f"#/components/{kind}/{name}" for kind, parts in DOCUMENT["components"].items() for name in parts}
    schemes = {
        f"#/components/securitySchemes/{name}" for needed in _every(DOCUMENT, "security") for one in needed for name in one
    }
    assert shared == set(_every(DOCUMENT, "$ref")) | schemes


def test_the_parameters_in_a_path_are_declared() -> None:
    for (method, path), operation in _operations():
        declared = [_resolved(parameter) for parameter in operation["parameters"]]
        in_path = {parameter["name"] for parameter in declared if parameter["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", path)), (method, path)


def test_the_lists_parameters_are_the_handlers() -> None:
    listing = next(operation for call, operation in _operations() if call == ("GET", f"{PREFIX}/images"))
    handler = next(route for route in ROUTES if route.handler_name == "list_images")
    in_query = {_resolved(parameter)["name"] for parameter in listing["parameters"] if _resolved(parameter)["in"] == "query"}
    assert in_query == set(handler.fn.__annotations__) - {"request", "return"}


def test_a_query_parameter_has_the_type_that_the_handler_reads_and_is_never_null() -> None:
    listing = next(operation for call, operation in _operations() if call == ("GET", f"{PREFIX}/images"))
    schemas = {parameter["name"]: parameter["schema"] for parameter in listing["parameters"] if parameter.get("in") == "query"}
    assert schemas == {
        "limit": {"type": "integer", "minimum": 1, "maximum": 200, "default": 50},
        "cursor": {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"},
        "status": {"$ref": "#/components/schemas/Status"},
        "created_after": {"type": "string", "format": "date-time"},
        "created_before": {"type": "string", "format": "date-time"},
    }


def test_every_error_that_has_a_status_is_documented() -> None:
    of_metrics = {errors.Unauthenticated, errors.Forbidden}  # for those who run the service: the document is for its users
    assert {kind.code for kind in PROBLEMS.keys() - of_metrics if kind is not errors.ClientGone} <= _codes()


def test_every_binary_may_be_one_of_a_pending_image() -> None:
    conflicts = {call: answer for call, status, answer in _problem_answers() if status == 409 and call[0] == "GET"}

    assert {call[1].rpartition("/")[2] for call in conflicts} == {"{image_id}", "original"}
    assert all("`not_ready`" in answer["description"] for answer in conflicts.values())


def test_every_documented_code_exists() -> None:
    ours = {kind.code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ServiceError)}
    assert _codes() <= ours
    told = set(re.findall(r"^\| \d+ \| `(\w+)`", DOCUMENT["tags"][-1]["description"], re.MULTILINE))
    assert _codes() <= told <= ours | set(CODE_OF_STATUS.values())


def test_problems_are_grouped_by_the_status_of_the_table() -> None:
    answers = problems(errors.StoreUnavailable, errors.NotFound, errors.DatabaseUnavailable)
    assert list(answers) == ["404", "503"]
    examples = answers["503"]["content"]["application/problem+json"]["examples"]
    assert [example["value"]["detail"] for example in examples.values()] == [
        detail_of(errors.StoreUnavailable()),
        detail_of(errors.DatabaseUnavailable()),
    ]
    assert "Retry-After" in answers["503"]["headers"]
    assert "Retry-After" not in answers["404"]["headers"]


def test_problems_come_with_examples_that_fit() -> None:
    later = {kind.code for kind in RETRY_LATER}
    for call, status, answer in _problem_answers():
        examples = [example["value"] for example in answer["content"]["application/problem+json"]["examples"].values()]
        assert examples, call
        for example in examples:
            assert example["status"] == status, call
            assert f"`{example['code']}`" in answer["description"], call
        assert ("Retry-After" in answer["headers"]) == bool(later & {example["code"] for example in examples}), call


def test_examples_fit_the_structs_that_their_schemas_come_from() -> None:
    structs = {f"#/components/schemas/{struct.__name__}": struct for struct in BODIES}
    seen = set()
    for content in (body for bodies in _every(DOCUMENT, "content") for body in bodies.values()):
        references = {content["schema"].get("$ref"), *(part.get("$ref") for part in content["schema"].get("allOf", []))}
        for struct in (structs[reference] for reference in references & set(structs)):
            for example in content.get("examples", {}).values():
                msgspec.json.decode(msgspec.json.encode(example["value"]), type=struct)
                seen.add(struct.__name__)
    assert seen == {struct.__name__ for struct in BODIES} - {"LimitsBody"}


def test_every_answer_carries_the_requests_id() -> None:
    for call, operation in _operations():
        for status, answer in operation["responses"].items():
            assert "X-Request-ID" in answer["headers"], (call, status)
            assert ({"RateLimit", "RateLimit-Policy"} <= answer["headers"].keys()) == call[1].startswith(PREFIX), (call, status)


def test_the_calls_in_api_http_are_the_apis() -> None:
    called = re.findall(r"^([A-Z]+) \{\{host}}([^?\s]*)", CALLS.read_text(encoding="utf-8"), re.MULTILINE)
    calls = {
        (method, path.replace("{{id}}", "{image_id}").replace("{{key_id}}", "{key_id}").replace("{{owner}}", "{owner}"))
        for method, path in called
    }
    known = {call for call, _ in _operations()}
    assert {call for call in known if call[0] != "HEAD"} <= calls <= known


def test_the_queries_in_api_http_are_known() -> None:
    taken = (_resolved(parameter) for _, operation in _operations() for parameter in operation["parameters"])
    known = {parameter["name"] for parameter in taken if parameter["in"] == "query"}
    asked = re.findall(r"[?&](\w+)=", CALLS.read_text(encoding="utf-8"))
    assert set(asked) == known


def test_each_process_makes_the_same_document() -> None:
    """Else each has a tag of its own for it, and a client that asks again gets all of it.

    Litestar 2.25.0 keeps the paths of a handler as a set, and meets the structs in any order.
    """
    script = (
        "import hashlib, msgspec, internal.api.app as a; print(hashlib.sha256(msgspec.json.encode(a.api_document())).hexdigest())"
    )
    command = [sys.executable, "-c", script]
    made = {
        subprocess.run(
            command, cwd=PROJECT, env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, timeout=60, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }

    assert made == {hashlib.sha256(msgspec.json.encode(api_document())).hexdigest() + "\n"}
