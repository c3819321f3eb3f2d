"""The catalogue: operations and limits."""

from typing import Any

import msgspec
from litestar import get
from litestar.openapi.spec import Tag
from msgspec import Struct

from internal.api.openapi.components import Json
from internal.api.openapi.describe import Answer, describe
from internal.api.openapi.guide import operation_table
from internal.api.requests.request import state_of
from internal.domain.identity import Scope
from internal.domain.rates import Rate
from internal.http.asgi import ApiRequest
from internal.intake.settings import LimitSettings
from internal.limits.settings import RateSettings, rate_of
from internal.pipeline.language.grammar import Grammar
from internal.sandbox import landlock

CATALOGUE = Tag("Catalogue", "What this deployment can do, and how much of it.")


class CatalogueBody(Struct):
    """The operations that a chain is made of, the presets by name, and what an upload that asks for nothing gets."""

    operations: list[dict[str, Any]]
    presets: dict[str, str]
    default: str


class SandboxBody(Struct):
    """The limits of one decoder: address space in bytes, seconds of CPU and on the clock for a picture, pictures in its life.

    `landlock`: the version of Landlock on the API's machine, by which decoders see no file but their picture; null without it.
    """

    memory_bytes: int
    cpu_seconds: float
    wall_seconds: float
    max_pictures: int
    landlock: int | None


class Limits(LimitSettings, frozen=True):
    """Limits of uploads and of results: bytes, pixels, counts."""


class RatesBody(Struct):
    """The rate limits: `allowed` units at once, and as many again in each further `seconds`; null where there is no limit."""

    requests: Rate | None
    uploads: Rate | None
    upload_bytes: Rate | None


def rates_in_force(rates: RateSettings) -> RatesBody:
    return RatesBody(rate_of(rates.requests), rate_of(rates.uploads), rate_of(rates.upload_bytes))


class LimitsBody(Struct):
    """The limits in force, under the names of their settings, the media types, what a decoder may use, and the rate limits."""

    limits: Limits
    media_types: list[str]
    sandbox: SandboxBody
    rates: RatesBody


def _example() -> Json:
    """The first operation only; the call itself lists all."""
    presets = {"thumb": "resize:200x200,fit=cover"}
    grammar = Grammar(presets=presets)
    return {"first": msgspec.to_builtins(CatalogueBody(grammar.describe()[:1], presets, "resize:2048x2048"))}


@get(
    "/operations",
    **describe(
        CATALOGUE,
        "List operations",
        scope=Scope.READ,
        answers={200: Answer("The catalogue.", examples=_example)},
        details=operation_table,
    ),
)
async def list_operations(request: ApiRequest) -> CatalogueBody:
    """Every operation of this deployment, plug-ins included, with the JSON Schema of its parameters; the presets; and the chain
    of an upload that asks for nothing. A chain is a text (`resize:300x200|grayscale`), or a JSON list of texts or of objects.
    """
    state = state_of(request)
    processing = state.settings.processing
    return CatalogueBody(state.grammar.describe(), processing.presets, processing.default)


@get("/limits", **describe(CATALOGUE, "Show limits", scope=Scope.READ, answers={200: Answer("The limits.")}))
async def show_limits(request: ApiRequest) -> LimitsBody:
    """The limits in force, in bytes, pixels, counts and seconds; the media types that are taken; what a decoder may use, with the
    version of Landlock that keeps it from files and the network, or null where there is none; and the rate limits.
    """
    state = state_of(request)
    limits = state.settings.sandbox
    sandbox = SandboxBody(limits.memory_bytes, limits.cpu_seconds, limits.wall_seconds, limits.max_pictures, landlock.abi())
    of_rates = rates_in_force(state.settings.rates)
    return LimitsBody(
        msgspec.convert(state.settings.limits, Limits, from_attributes=True), sorted(state.policy.media_types), sandbox, of_rates
    )
