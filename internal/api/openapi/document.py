"""The OpenAPI document: Litestar's generator reads the routes, and what it can't express is added here.

Added, because Litestar 2.25.0 has no place for it: several media types of one answer and streamed bodies, headers of answers by
status, problems with their codes, HEAD (internal/http/middleware/methods.py makes it of GET), and msgspec's own schemas, which
know docstrings and `extra_json_schema`. It also writes `str | None` as a query parameter that may be `null`: a query has no null.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from litestar import HttpMethod, Litestar, Router
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Schema
from litestar.plugins import OpenAPISchemaPlugin
from litestar.routes import HTTPRoute
from litestar.types import Method
from litestar.typing import FieldDefinition
from msgspec import Struct

from internal.api.openapi.components import HEADERS, PARAMETERS, RATE_HEADERS, SECURITY_SCHEMES, Json, headers, parameters
from internal.api.openapi.describe import OPTION, Answer, Description, JsonBody, shown
from internal.api.openapi.guide import guide, problem_guide
from internal.api.openapi.problems import problems
from internal.api.requests.identity import OpenTo
from internal.api.requests.links import LINK_PARAMETERS
from internal.http.problems import Problem

VERSION = "1.0.0"
"""Of the contract: it moves when a client could notice."""

HEALTH = {"name": "Health", "description": "For load balancers and operators."}

REFERENCE = "#/components/schemas/{name}"


class StructSchemas(OpenAPISchemaPlugin):
    """Notes each struct that the generator meets: a name with an empty schema, which msgspec's replaces."""

    def __init__(self) -> None:
        self.kinds: list[Any] = [Problem]

    @staticmethod
    def is_plugin_supported_field(field_definition: FieldDefinition) -> bool:
        return not field_definition.is_union and field_definition.is_subclass_of(Struct)

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: Any) -> Schema:
        self.kinds.append(field_definition.annotation)
        schema: Schema = schema_creator.create_component_schema(field_definition, required=[], property_fields={})
        return schema


def openapi_document(handlers: Sequence[BaseRouteHandler | Router]) -> Json:
    """OpenAPI 3.1 for these routes: every parameter, answer and problem."""
    structs = StructSchemas()
    config = OpenAPIConfig("", VERSION, use_handler_docstrings=True, operation_id_creator=_operation_id)
    app = Litestar(handlers, openapi_config=config, plugins=[structs], logging_config=None, debug=False)
    generated: Json = app.openapi_schema.to_schema()["paths"]
    # Litestar 2.25.0 keeps the methods of a path in a set: in each process they have another order.
    paths: Json = {path: dict(sorted(operations.items())) for path, operations in generated.items()}
    tags: dict[str, Json] = {}
    for handler, operation in _operations(app, paths):
        described = handler.opt.get(OPTION)
        if isinstance(described, Description):
            tags[described.tag.name] = {"name": described.tag.name, "description": described.tag.description}
            structs.kinds += [described.body.kind] if isinstance(described.body, JsonBody) else []
            structs.kinds += described.reads.values()
            _describe(operation, described)
        _complete(operation, counted=described is not None)
    for operations in paths.values():
        if "get" in operations:
            operations["head"] = _head_of(operations["get"])
    problem_chapter = {"name": "Problems", "x-traitTag": True, "description": problem_guide()}  # Redoc's word for no operations
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Image processor",
            "version": VERSION,
            "description": guide(),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "This one."}],
        "tags": [*tags.values(), HEALTH, problem_chapter],
        "paths": dict(sorted(paths.items())),  # Litestar keeps the paths of one handler as a set
        "components": {
            "schemas": dict(sorted(_schemas(structs.kinds)[1].items())),
            "headers": HEADERS,
            "parameters": PARAMETERS,
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def _operation_id(handler: HTTPRouteHandler, method: HttpMethod | Method, _: object) -> str:
    return handler.handler_name + ("_headers" if method == HttpMethod.HEAD else "")


def _operations(app: Litestar, paths: Json) -> Iterator[tuple[HTTPRouteHandler, Json]]:
    """Each handler with what was generated for it; HEAD is made of GET later."""
    for route in app.routes:
        if isinstance(route, HTTPRoute) and route.path_format in paths:
            for method, (handler, _) in sorted(route.route_handler_map.items()):
                if method not in ("OPTIONS", "HEAD"):
                    yield handler, paths[route.path_format][method.lower()]


def _describe(operation: Json, described: Description) -> None:
    """Add what the route says of itself."""
    paragraphs = [" ".join(paragraph.split()) for paragraph in operation["description"].split("\n\n")]
    operation["description"] = "\n\n".join([*paragraphs, *([described.details()] if described.details else [])])
    for parameter in operation.get("parameters", []):
        if parameter["name"] in described.reads:
            parameter["schema"] = _schemas([described.reads[parameter["name"]]])[0][0]
    linked = LINK_PARAMETERS if OpenTo.LINKS in described.open_to else ()
    operation["parameters"] = [*operation.get("parameters", []), *parameters(*linked, *described.headers)]
    without: list[Json] = [{}] if described.open_to else []
    operation["security"] = [*({scheme: [described.scope.value]} for scheme in SECURITY_SCHEMES), *without]
    if described.body is not None:
        operation["requestBody"] = {"required": True, "content": described.body.content()}
    generated = operation["responses"]
    default = next(iter(generated))
    answers = described.answers or {int(default): Answer("As asked.")}
    operation["responses"] = {
        **{str(status): _answer(generated.get(str(status), {}), answer) for status, answer in answers.items()},
        **problems(*described.errors),
    }


def _answer(generated: Json, answer: Answer) -> Json:
    made: Json = {"description": answer.description, "headers": headers(*answer.headers)}
    content: Json = {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in answer.media_types}
    for media_type, generated_content in generated.get("content", {}).items():
        content[media_type] = {**generated_content, **shown(answer.examples)}
    return {**made, "content": content} if content else made


def _complete(operation: Json, *, counted: bool) -> None:
    """Add the request's id to every operation, both ways, and the rate limits; drop what the generator adds needlessly."""
    del operation["deprecated"]
    generated = operation.get("parameters", [])
    operation["parameters"] = [*map(_parameter, generated), *parameters("X-Request-ID")]
    for answer in operation["responses"].values():
        answer["headers"] = {**answer.get("headers", {}), **headers("X-Request-ID", *(RATE_HEADERS if counted else ()))}
        for content in answer.get("content", {}).values():
            _name_examples(content)


def _name_examples(part: Json) -> None:
    """An example's name is its key. Litestar 2.25.0 also writes `id` (findings/litestar_example_id.sh)."""
    for example in part.get("examples", {}).values():
        example.pop("id", None)


def _parameter(generated: Json) -> Json:
    """A parameter without what the generator writes twice, or as false; its bounds as they were given; never null."""
    if "schema" not in generated:  # a reference to one of ours
        return generated
    _name_examples(generated)
    known = {name: value for name, value in generated.items() if value is not False}
    schema = {name: value for name, value in generated["schema"].items() if name not in ("oneOf", "description", "examples")}
    either: Json = next(iter(generated["schema"].get("oneOf", ())), {})
    bounds = {name: int(value) for name, value in schema.items() if isinstance(value, float) and value.is_integer()}
    return {**known, "schema": {**either, **schema, **bounds}}


def _schemas(kinds: Iterable[Any]) -> tuple[Sequence[Json], Json]:
    """Each type's schema, and the components that they refer to, by name: each process makes the same document, with one tag."""
    schemas, components = msgspec.json.schema_components(kinds, ref_template=REFERENCE)
    return schemas, dict(sorted(components.items()))


def _head_of(get: Json) -> Json:
    """The operation HEAD of a path whose GET is this: the same answers without a body, and no ranges (RFC 9110, 14.2)."""
    answers = {
        status: {name: part for name, part in answer.items() if name != "content"}
        for status, answer in get["responses"].items()
        if status not in ("206", "416")
    }
    of_ranges = parameters("Range", "If-Range")
    return {
        **get,
        "operationId": f"{get['operationId']}_headers",
        "summary": f"{get['summary']}: the headers",
        "description": "What GET would answer, without the body.",
        "parameters": [parameter for parameter in get["parameters"] if parameter not in of_ranges],
        "responses": answers,
    }
