"""The API: its routes, in one list, and what runs with it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar, Router

from internal.api import catalogue, downloads, images, uploads
from internal.api.access_log import AccessLog, App
from internal.api.docs import docs_handlers
from internal.api.health import health_handlers
from internal.api.methods import Methods
from internal.api.metrics import metrics_handler
from internal.api.problems import HANDLERS
from internal.api.queries import refuse_unknown
from internal.api.schemas import PREFIX
from internal.configuration import load_settings
from internal.logs import configure_logging
from internal.settings import Settings
from internal.wiring import open_api

ROUTES = [
    uploads.upload_image,
    images.list_images,
    downloads.rendition_bytes,
    downloads.original_bytes,
    images.image_status,
    images.new_rendition,
    images.retry_image,
    images.remove_image,
    catalogue.list_operations,
    catalogue.show_limits,
]


def create_app(settings: Settings) -> App:
    """The ASGI application. Its parts are opened when the server starts it, and closed when it ends."""

    @asynccontextmanager
    async def running(app: Litestar) -> AsyncIterator[None]:
        async with open_api(settings) as parts:
            app.state.parts = parts
            machines = [*health_handlers(parts.dependencies), metrics_handler(parts.measures)]
            app.register(Router("/", route_handlers=machines))
            yield

    app = Litestar(
        route_handlers=[Router(PREFIX, route_handlers=ROUTES, before_request=refuse_unknown), *docs_handlers()],
        lifespan=[running],
        exception_handlers=HANDLERS,
        openapi_config=None,
        request_max_body_size=None,  # our own limits are stricter, and are enforced while the body is read
        logging_config=None,
    )
    return AccessLog(Methods(app))


def app_from_environment() -> App:
    """For uvicorn's worker processes, each of which makes its own."""
    settings = load_settings()
    configure_logging(settings.logging, "api")
    return create_app(settings)
