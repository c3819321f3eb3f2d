"""The API under uvicorn: uvloop, httptools, and our own log instead of its."""

import asyncio
import contextlib
import signal
import sys
from functools import partial
from typing import cast

import structlog
import uvicorn

from internal.api.server_limits import connection_limits
from internal.http.middleware.cors import CorsPolicy
from internal.http.networks import Networks
from internal.http.server.connections import ConnectionLimits
from internal.http.server.lingering import RefusalHeaders, linger_bytes, no_headers
from internal.http.server.protocol import WatchedProtocol
from internal.http.settings import ServerSettings, api_ports
from internal.observability.logs import configure_logging
from internal.observability.metrics import shared_between_processes
from internal.runtime.listening import refuse_taken_ports
from internal.settings.exposure import warn_of_open_doors
from internal.settings.sections import Settings

log = structlog.get_logger(__name__)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; then requests in flight end within the configured time."""
    configure_logging(settings.logging, "api")
    # Before uvicorn takes it there is nothing to end in order; when it has ended well uvicorn raises it once more: 0 both times.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = settings.server
    refuse_taken_ports(api_ports(server, settings.metrics))
    warn_of_open_doors(settings)
    with shared_between_processes() if server.workers > 1 else contextlib.nullcontext():
        limits = connection_limits(server, Networks(settings.middleware.proxies))
        if settings.middleware.httpsredirect and not settings.middleware.proxies:
            log.warning("https_redirect.no_proxy", why="TRUSTED_PROXIES is empty: no request comes over https")
        refusals = CorsPolicy(settings.middleware.origins).refusal_headers if settings.middleware.cors else no_headers
        _run(server, settings.limits.max_upload_bytes, limits, refusals)


def _run(server: ServerSettings, max_upload_bytes: int, limits: ConnectionLimits, refusals: RefusalHeaders) -> None:
    protocol = partial(WatchedProtocol, max_bytes=linger_bytes(max_upload_bytes), limits=limits, refusal_headers=refusals)
    uvicorn.run(
        "internal.api.app:app_from_environment",
        factory=True,
        host=server.host,
        port=server.port,
        workers=server.workers if server.workers > 1 else None,
        loop="uvloop",
        http=cast("type[asyncio.Protocol]", protocol),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # internal/http/middleware/proxies.py reads them: uvicorn 0.54.0 knows no Forwarded and no hosts
        timeout_keep_alive=server.keep_alive_seconds,  # type: ignore[arg-type]  # it goes to call_later, which takes parts of one
        timeout_graceful_shutdown=int(server.shutdown_seconds),
    )
