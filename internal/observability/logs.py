"""Logging with structlog: one JSON object per line for machines, or coloured text for people. Libraries' loggers end here too.

Values bound to the context (`request_id`) are in every line of that request or task. No file's content and no secret is logged.

INVARIANT: a stack trace shows code and never the values of variables, which may be tokens, cookies or passwords; in both formats,
in every process, and for libraries' loggers (tests/unit/observability/test_logs.py::test_a_crash_shows_no_variable).
"""

import logging
import sys

import structlog

from internal.observability.settings import LoggingSettings

_JSON_TRACEBACKS = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))

_CONSOLE_TRACEBACKS = structlog.dev.plain_traceback
"""structlog 26.1.0 shows local variables on the console if `rich` can be imported, and Litestar depends on it."""


def configure_logging(settings: LoggingSettings, process: str) -> None:
    """Configure logging; called once, at start. `process` (`api`, `worker`, …) is in every line."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _named(process),
    ]
    renderer: list[structlog.typing.Processor] = (
        [_JSON_TRACEBACKS, structlog.processors.JSONRenderer()]
        if settings.format == "json"
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=24, exception_formatter=_CONSOLE_TRACEBACKS)]
    )
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[_plain, *renderer]))
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)


def _named(process: str) -> structlog.typing.Processor:
    def add_process(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event["process"] = process
        return event

    return add_process


def _plain(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return structlog.stdlib.ProcessorFormatter.remove_processors_meta(None, "", event)
