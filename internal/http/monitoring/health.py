"""The health endpoints of API and worker."""

from collections.abc import Mapping

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from internal.observability.health import Condition, Dependency, Report, examine


def health_handlers(dependencies: Mapping[str, Dependency]) -> list[HTTPRouteHandler]:
    """`/health` and `/health/ready` answer 503 without an essential dependency; `/health/live` says that we turn."""

    @get(["/health", "/health/ready"])
    async def ready() -> Response[Report]:
        report = await examine(dependencies)
        return Response(report, status_code=503 if report.status == Condition.UNAVAILABLE else 200)

    @get("/health/live")
    async def live() -> dict[str, str]:
        return {"status": Condition.OK}

    return [ready, live]
