"""The API: its routes, in one list, and what runs with it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from litestar import Litestar, Router
from litestar.handlers import HTTPRouteHandler

from internal.api.docs import docs_handlers
from internal.api.forms.upload_slots import UploadSlots
from internal.api.openapi.components import Json
from internal.api.openapi.document import openapi_document
from internal.api.requests.queries import refuse_unknown
from internal.api.routes import admin, downloads, images, keys, operations, owners, sharing, uploads
from internal.api.schemas import PREFIX
from internal.api.server_limits import share_of
from internal.http.asgi import App
from internal.http.middleware.access_log import AccessLog
from internal.http.middleware.compression import Compression
from internal.http.middleware.cors import Cors, CorsPolicy
from internal.http.middleware.default_headers import DefaultHeaders
from internal.http.middleware.foreign_pages import ForeignPages
from internal.http.middleware.hosts import TrustedHosts
from internal.http.middleware.https import HttpsRedirect
from internal.http.middleware.methods import Methods
from internal.http.middleware.proxies import TrustedProxies
from internal.http.middleware.rate_headers import RateHeaders
from internal.http.middleware.settings import MiddlewareSettings
from internal.http.monitoring.health import health_handlers
from internal.http.monitoring.metrics import metrics_handler
from internal.http.monitoring.metrics_access import MetricsAccess
from internal.http.monitoring.metrics_port import serving_on_own_port
from internal.http.networks import Networks
from internal.http.problems import HANDLERS
from internal.http.server.side_server import side_app
from internal.http.settings import ServerSettings, origin_of
from internal.observability.gauges import GaugeSource
from internal.observability.logs import configure_logging
from internal.observability.settings import MetricsSettings
from internal.settings.loader import load_settings
from internal.settings.sections import Settings
from internal.wiring.api import open_api

ROUTES = [
    uploads.upload_image,
    images.list_images,
    downloads.rendition_bytes,
    downloads.original_bytes,
    images.image_status,
    images.new_rendition,
    images.retry_image,
    images.remove_image,
    keys.create_api_key,
    keys.list_api_keys,
    keys.revoke_api_key,
    sharing.change,
    sharing.new_link,
    owners.show_usage,
    operations.list_operations,
    operations.show_limits,
    admin.show_overview,
    admin.list_dead_letters,
    admin.replay_dead_letters,
    owners.list_owners,
    owners.change_owner,
]


def create_app(settings: Settings) -> App:
    """The ASGI application. Its dependencies are opened when the server starts it, and closed when it ends."""

    @asynccontextmanager
    async def running(app: Litestar) -> AsyncIterator[None]:
        async with open_api(settings) as state:
            app.state.services = state
            server, uploads = settings.server, settings.server.max_uploads
            shares = share_of(uploads, server.address_share), share_of(uploads, server.owner_share)
            app.state.upload_slots = UploadSlots(uploads, *shares)
            machines = health_handlers(state.dependencies)
            async with _metrics(settings.server, settings.metrics, state.gauges, machines):
                app.register(Router("/", route_handlers=machines))
                yield

    app = Litestar(
        route_handlers=[Router(PREFIX, route_handlers=ROUTES, before_request=refuse_unknown), *docs_handlers(api_document())],
        lifespan=[running],
        exception_handlers=HANDLERS,
        openapi_config=None,
        request_max_body_size=None,  # our own limits are stricter, and are enforced while the body is read
        logging_config=None,
        debug=False,  # else an environment variable decides it
    )
    pages = None if settings.auth.kinds or settings.auth.allow_anonymous else settings.server.public_url
    return with_middleware(app, settings.middleware, pages_of=pages)


def with_middleware(litestar: Litestar, middleware: MiddlewareSettings, *, pages_of: str | None = None) -> App:
    """`litestar` behind the middleware, the innermost first. What is switched off is not there.

    `pages_of`: if nobody is asked for a credential, and only this machine is meant, the address that clients use (PUBLIC_URL).
    """
    app: App = Methods(litestar, Compression(litestar) if middleware.gzip else None)  # type: ignore[arg-type]
    if pages_of is not None:
        origins = middleware.origins if middleware.cors else ()
        app = ForeignPages(app, allowed=origins, public_origin=origin_of(pages_of), any_host=middleware.trustedhost)
    if middleware.httpsredirect:
        app = HttpsRedirect(app)
    if middleware.trustedhost:
        app = TrustedHosts(app, middleware.hosts)
    if middleware.cors:
        app = Cors(app, CorsPolicy(middleware.origins))
    app = AccessLog(RateHeaders(DefaultHeaders(app)))
    return TrustedProxies(app, Networks(middleware.proxies)) if middleware.proxies else app


def api_document() -> Json:
    """The OpenAPI document of ROUTES and of the health endpoints."""
    return openapi_document([Router(PREFIX, route_handlers=ROUTES), *health_handlers({})])


@asynccontextmanager
async def _metrics(
    server: ServerSettings, metrics: MetricsSettings, sources: Sequence[GaugeSource], machines: list[HTTPRouteHandler]
) -> AsyncIterator[None]:
    """`/metrics` on a port of its own while the block runs, or else among `machines`, for this machine."""
    handler = metrics_handler(sources, MetricsAccess(metrics.token, loopback_only=not metrics.port))
    if not metrics.port:
        machines.append(handler)
        yield
        return
    async with serving_on_own_port(AccessLog(side_app([handler])), server.host, metrics.port, shared=server.workers > 1):
        yield


def app_from_environment() -> App:
    """For uvicorn's worker processes, each of which makes its own."""
    settings = load_settings()
    configure_logging(settings.logging, "api")
    return create_app(settings)
