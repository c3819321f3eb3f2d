"""One operation of the document, and the answers that are no problems."""

from typing import Any

from internal.api.openapi.components import Json, headers, parameters, schema


def operation(
    name: str, tag: str, summary: str, description: str, *, takes: tuple[str, ...], answers: Json, body: Json | None = None
) -> Json:
    """`name` is the handler's; `takes` names the shared parameters; `answers` are by status."""
    made: Json = {
        "operationId": name,
        "tags": [tag],
        "summary": summary,
        "description": description,
        "parameters": parameters(*takes),
        "responses": answers,
    }
    return made if body is None else {**made, "requestBody": body}


def json_answer(description: str, body: str, examples: Json, *names: str) -> Json:
    """A JSON `body` with its `examples` by name, and these headers beside the request's id."""
    return {"description": description, "headers": headers(*names, "X-Request-ID"), "content": json_content(body, examples)}


def json_content(body: str, examples: Json) -> Json:
    shown = {"examples": {name: {"value": value} for name, value in examples.items()}} if examples else {}
    return {"application/json": {"schema": schema(body), **shown}}


def bytes_answer(description: str, media_types: tuple[str, ...], *names: str) -> Json:
    """A picture in one of these types; without types, an answer that has no body."""
    answer: Json = {"description": description, "headers": headers(*names, "X-Request-ID")}
    picture: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
    return {**answer, "content": dict.fromkeys(media_types, picture)} if media_types else answer


def head_of(get: Json) -> Json:
    """The operation HEAD of a path whose GET is this: the same answers without a body, and no ranges (RFC 9110, 14.2)."""
    answers = {
        status: {name: part for name, part in answer.items() if name != "content"}
        for status, answer in get["responses"].items()
        if status not in ("206", "416")
    }
    of_ranges = parameters("Range", "If-Range")[:2]
    return {
        **get,
        "operationId": f"{get['operationId']}_headers",
        "summary": f"{get['summary']}: the headers",
        "description": "What GET would answer, without the body.",
        "parameters": [parameter for parameter in get["parameters"] if parameter not in of_ranges],
        "responses": answers,
    }
