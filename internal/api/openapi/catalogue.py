"""What the service can do and how it is: operations, limits, health."""

from internal.api.openapi import examples
from internal.api.openapi.components import Json
from internal.api.openapi.guide import operation_table
from internal.api.openapi.operation import json_answer, operation
from internal.api.openapi.problems import problems
from internal.api.schemas import PREFIX
from internal.domain.errors import InvalidRequest, ServiceError
from internal.observability.health import Condition

TAG, HEALTH_TAG = "Catalogue", "Health"


def paths() -> Json:
    return {
        f"{PREFIX}/operations": {"get": _operations()},
        f"{PREFIX}/limits": {"get": _limits()},
        "/health": {"get": _ready("health")},
        "/health/live": {"get": _live()},
        "/health/ready": {"get": _ready("health_ready")},
    }


def _operations() -> Json:
    return operation(
        "list_operations",
        TAG,
        "List operations",
        "Every operation of this deployment, plug-ins included, with the JSON Schema of its parameters; the presets; and the "
        "chain of an upload that asks for nothing. A chain is a text (`resize:300x200|grayscale`), or a JSON list of texts or of "
        "objects.\n\n" + operation_table(),
        takes=(),
        answers={
            "200": json_answer("The catalogue.", "CatalogueBody", {"first": examples.operations()}),
            **problems(InvalidRequest, ServiceError),
        },
    )


def _limits() -> Json:
    return operation(
        "show_limits",
        TAG,
        "Show limits",
        "The limits in force, in bytes, pixels, counts and seconds; the media types that are taken; and what a decoder may use, "
        "with the version of Landlock that keeps it from files and the network, or null where there is none.",
        takes=(),
        answers={"200": json_answer("The limits.", "LimitsBody", {}), **problems(InvalidRequest, ServiceError)},
    )


def _ready(name: str) -> Json:
    ready = {condition.value: examples.report(condition) for condition in (Condition.OK, Condition.DEGRADED)}
    unavailable = {Condition.UNAVAILABLE.value: examples.report(Condition.UNAVAILABLE)}
    return operation(
        name,
        HEALTH_TAG,
        "Is it ready?",
        "Ready with database and object store. A queue that is down reads `degraded` and is a 200: uploads go on.",
        takes=(),
        answers={
            "200": json_answer("It takes requests.", "Report", ready),
            "503": json_answer("It can't work right now.", "Report", unavailable),
        },
    )


def _live() -> Json:
    answer = json_answer("It does.", "Live", {"ok": {"status": Condition.OK.value}})
    return operation(
        "health_live", HEALTH_TAG, "Does the process turn?", "Asks nothing of others.", takes=(), answers={"200": answer}
    )
