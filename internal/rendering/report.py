"""Reports of attempts: one count and one log line for each end."""

import structlog

from internal.domain.errors import ServiceError
from internal.domain.rendition import Claim
from internal.observability import metrics
from internal.rendering.attempt import AttemptResult
from internal.rendering.transitions import Ended, Outcome, failure_of, is_crash

log = structlog.get_logger(__name__)


def report(claim: Claim, ended: Ended, *, seconds: float) -> None:
    """Count and log the end of an attempt that took `seconds`. An attempt that could not be released is reported already."""
    outcome, end = ended.outcome, ended.end
    if outcome is Outcome.RELEASED and not ended.written:
        return
    metrics.ATTEMPTS.labels(outcome).inc()
    lines = log.bind(
        image_id=str(claim.image_id),
        rendition=claim.name,
        generation=claim.generation,
        attempts=claim.attempts,
        lane=claim.lane,
    )
    match outcome, end:
        case Outcome.PROCESSED, AttemptResult():
            _report_result(lines, end, seconds)
        case Outcome.FAILED | Outcome.POSTPONED, Exception():
            failure = failure_of(end)
            metrics.FAILURES.labels(failure.code).inc()
            if is_crash(end):
                lines.error("rendition.crashed", exc_info=end)
            final = outcome is Outcome.FAILED
            lines.warning("rendition.failed", code=failure.code, detail=failure.detail, final=final, seconds=round(seconds, 4))
        case Outcome.PAUSED, ServiceError():
            lines.warning("processing.paused", code=end.code, detail=end.detail)
        case Outcome.LOST, _:
            lines.warning("rendition.lost")
        case Outcome.RELEASED, _:
            lines.info("rendition.released")


def _report_result(lines: structlog.stdlib.BoundLogger, attempt: AttemptResult, seconds: float) -> None:
    result, cpu_seconds = attempt.result, attempt.rendered.cpu_seconds
    metrics.RENDER_CPU_SECONDS.inc(cpu_seconds)
    for stage, took in attempt.timings.items():
        metrics.STAGE_SECONDS.labels(stage).observe(took)
    lines.info(
        "rendition.processed",
        seconds=round(seconds, 4),
        **{f"{stage}_seconds": round(took, 4) for stage, took in attempt.timings.items()},
        cpu_seconds=round(cpu_seconds, 4),
        width=result.width,
        height=result.height,
        size=result.size,
        content_type=result.content_type,
    )
