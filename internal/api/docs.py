"""Placeholder, being written."""
from litestar.handlers import HTTPRouteHandler


def docs_handlers() -> list[HTTPRouteHandler]:
    return []
