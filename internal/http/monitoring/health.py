"""The health endpoints of API and worker."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from msgspec import Struct

from internal.domain.errors import QueueUnavailable, StoreUnavailable
from internal.observability.health import Condition, Dependency, Examiner, Report


class Live(Struct):
    status: Literal["ok"]


def health_handlers(dependencies: Mapping[str, Dependency]) -> list[HTTPRouteHandler]:
    """`/health` and `/health/ready` answer 503 without an essential dependency; `/health/live`: the process is running."""
    examiner = Examiner(dependencies)

    @get(
        ["/health", "/health/ready"],
        tags=["Health"],
        summary="Is it ready?",
        operation_id=_named_by_path,
        responses={
            200: _answer(Report, "It takes requests.", ok=_report(Condition.OK), degraded=_report(Condition.DEGRADED)),
            503: _answer(Report, "It can't work right now.", unavailable=_report(Condition.UNAVAILABLE)),
        },
    )
    async def ready() -> Response[Report]:
        """Ready with database and object store. If the queue is down, the status is `degraded` (HTTP 200): uploads go on."""
        report = await examiner.report()
        return Response(report, status_code=503 if report.status == Condition.UNAVAILABLE else 200)

    @get(
        "/health/live",
        tags=["Health"],
        summary="Is the process running?",
        operation_id=_named_by_path,
        responses={200: _answer(Live, "It is.", ok=Live("ok"))},
    )
    async def live() -> Live:
        """Asks no dependency."""
        return Live("ok")

    return [ready, live]


def _named_by_path(_: HTTPRouteHandler, __: Any, path: list[Any]) -> str:
    return "_".join(map(str, path))


def _answer(kind: type[Struct], description: str, **examples: Struct) -> ResponseSpec:
    shown = [Example(id=name, value=msgspec.to_builtins(example)) for name, example in examples.items()]
    return ResponseSpec(kind, description=description, examples=shown, generate_examples=False)


def _report(condition: Condition) -> Report:
    store = StoreUnavailable().detail if condition == Condition.UNAVAILABLE else Condition.OK
    queue = QueueUnavailable().detail if condition == Condition.DEGRADED else Condition.OK
    return Report(condition, {"database": Condition.OK, "object_store": store, "queue": queue})
