"""Usage and quotas: an owner sees their own, admins see and set everybody's."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import get, patch
from litestar.openapi.spec import Example, Tag
from litestar.params import PathParameter, QueryParameter
from msgspec import UNSET, Meta, Struct, UnsetType

from internal.api.openapi.components import Json
from internal.api.openapi.describe import Answer, JsonBody, describe
from internal.api.openapi.examples import UPLOADED_AT
from internal.api.requests.cursor import read_cursor, write_cursor
from internal.api.requests.identity import owner_of, principal_of
from internal.api.requests.request import json_of, state_of
from internal.api.routes.admin import ADMIN
from internal.api.routes.images import DEFAULT_LIMIT, MAX_JSON_BYTES, MAX_LIMIT, Cursor
from internal.api.routes.operations import RatesBody, rates_in_force
from internal.api.schemas import Moment
from internal.domain.audit import actor_of
from internal.domain.errors import DatabaseUnavailable, InvalidRequest, PayloadTooLarge
from internal.domain.identity import Scope
from internal.domain.owner import MAX_OWNER, NO_QUOTAS, UNLIMITED, Owner, Quotas, Usage, is_owner
from internal.domain.rates import Rate
from internal.http.asgi import ApiRequest
from internal.limits.quotas import quotas_as_set, quotas_in_force, set_owner
from internal.ports.repository.usage import OwnerUsage

USAGE = Tag("Usage", "How much an owner has, and may have.")

MAX_WEIGHT = 1000.0

Quota = Annotated[int, Meta(ge=0, lt=UNLIMITED)] | Literal["none"] | None
"""As it is set: a number, `none`, or null for the configured one."""


class QuotasInForce(Struct):
    """Null: there is none. `bytes` in bytes."""

    images: int | None
    bytes: int | None
    queued: int | None


class UsageLimits(QuotasInForce):
    """The quotas and the rate limits in force."""

    rates: RatesBody


class UsageBody(Struct):
    """What you have: images; bytes of originals, renditions and their alternatives; renditions that wait or are being made."""

    owner: str
    images: int
    bytes: int
    queued: int
    limits: UsageLimits


class QuotasBody(Struct):
    """What is set for an owner: a number, `none`, or null where the configured quota holds."""

    images: Quota
    bytes: Quota
    queued: Quota


class OwnerBody(Struct):
    """An owner, with usage as in GET /usage. `weight`: the share of the workers while several owners wait, as a multiple of
    another's. `created_at` and `updated_at` are null if nothing was ever set.
    """

    owner: str
    images: int
    bytes: int
    queued: int
    limits: QuotasInForce
    weight: float
    quotas: QuotasBody
    created_at: Moment | None
    updated_at: Moment | None


class OwnerPageBody(Struct):
    items: list[OwnerBody]
    next_cursor: str | None


class QuotaChanges(Struct, forbid_unknown_fields=True):
    """Quotas to set: a number, `none`, or null for the configured one. What is left out stays as it is."""

    images: Quota | UnsetType = UNSET
    bytes: Quota | UnsetType = UNSET
    queued: Quota | UnsetType = UNSET


class OwnerChangesBody(Struct, forbid_unknown_fields=True):
    """What to set for an owner. What is left out stays as it is."""

    weight: Annotated[float, Meta(gt=0, le=MAX_WEIGHT)] | UnsetType = UNSET
    quotas: QuotaChanges | UnsetType = UNSET


def _example_usage() -> Json:
    limits = UsageLimits(None, 10**9, None, RatesBody(Rate(600, 60), None, None))
    return {"some": msgspec.to_builtins(UsageBody("shop", 120, 84_512_230, 3, limits))}


def _example_owner() -> OwnerBody:
    owner = Owner("shop", 2.0, quota_images=10_000, quota_bytes=UNLIMITED, created_at=UPLOADED_AT, updated_at=UPLOADED_AT)
    return owner_body(OwnerUsage(owner, Usage(120, 84_512_230, 3)), NO_QUOTAS)


def _example_owners() -> Json:
    return {"one": msgspec.to_builtins(OwnerPageBody([_example_owner()], None))}


def _example_set() -> Json:
    return {"set": msgspec.to_builtins(_example_owner())}


def _example_changes() -> Json:
    quotas = QuotaChanges(images=10_000, bytes="none")
    return {"more": msgspec.to_builtins(OwnerChangesBody(2.0, quotas))}


def owner_body(found: OwnerUsage, configured: Quotas) -> OwnerBody:
    owner = found.owner
    return OwnerBody(
        owner=owner.owner,
        **msgspec.structs.asdict(found.used),
        limits=QuotasInForce(**quotas_in_force(owner, configured)),
        weight=owner.weight,
        quotas=QuotasBody(**quotas_as_set(owner)),
        created_at=owner.created_at,
        updated_at=owner.updated_at,
    )


@get(
    "/usage",
    **describe(
        USAGE,
        "Show your usage",
        scope=Scope.READ,
        answers={200: Answer("As it is now.", examples=_example_usage)},
        errors=(DatabaseUnavailable,),
    ),
)
async def show_usage(request: ApiRequest) -> UsageBody:
    """How much you have, and what you may have. An upload that is under way counts once it is complete; a deletion frees at once.
    A quota is checked when something is asked for: what was accepted is made also if that ends above it, and then the next
    request is a 403 `quota_exceeded`.
    """
    state = state_of(request)
    found = await state.repository.usage.of(owner_of(request))
    limits = UsageLimits(**quotas_in_force(found.owner, state.policy.quotas), rates=rates_in_force(state.settings.rates))
    return UsageBody(found.owner.owner, **msgspec.structs.asdict(found.used), limits=limits)


@get(
    "/admin/owners",
    **describe(
        ADMIN,
        "List owners",
        scope=Scope.ADMIN,
        answers={200: Answer("One page.", examples=_example_owners)},
        errors=(DatabaseUnavailable,),
    ),
)
async def list_owners(
    request: ApiRequest,
    limit: Annotated[int, QueryParameter(description="Owners a page.", ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> OwnerPageBody:
    """Every owner who has images, had some, or for whom something is set, by name. A new one is listed within seconds of the
    first upload. Follow `next_cursor` until it is null.
    """
    state = state_of(request)
    after = None if cursor is None else read_cursor(cursor, str)
    found = await state.repository.usage.page(after=after, limit=limit + 1)
    page = [owner_body(owner, state.policy.quotas) for owner in found[:limit]]
    return OwnerPageBody(page, write_cursor(page[-1].owner) if len(found) > limit else None)


@patch(
    "/admin/owners/{owner:str}",
    request_max_body_size=MAX_JSON_BYTES,
    **describe(
        ADMIN,
        "Set an owner's weight and quotas",
        scope=Scope.ADMIN,
        body=JsonBody(OwnerChangesBody, _example_changes),
        answers={200: Answer("The owner as it is now.", examples=_example_set)},
        errors=(PayloadTooLarge, DatabaseUnavailable),
    ),
)
async def change_owner(
    request: ApiRequest,
    owner: Annotated[
        str,
        PathParameter(
            description=f"The owner's name: 1 to {MAX_OWNER} printable characters, percent-encoded, without a slash.",
            schema_extra={"minLength": 1, "maxLength": MAX_OWNER},
            examples=[Example(id="owner", value="shop")],
        ),
    ],
) -> OwnerBody:
    """Counts from the next request on. The owner need not have anything yet. The change is in the audit."""
    if not is_owner(owner):
        raise InvalidRequest(f"An owner's name has 1 to {MAX_OWNER} printable characters.")
    state = state_of(request)
    data = await json_of(request, OwnerChangesBody)
    await set_owner(state.repository, actor_of(principal_of(request)), owner, _changes(data))
    return owner_body(await state.repository.usage.of(owner), state.policy.quotas)


def _changes(data: OwnerChangesBody) -> dict[str, Any]:
    """By the names of Owner's fields."""
    quotas = {} if data.quotas is UNSET else msgspec.structs.asdict(data.quotas)
    given = {
        "weight": data.weight,
        **{f"quota_{name}": UNLIMITED if value == "none" else value for name, value in quotas.items()},
    }
    return {name: value for name, value in given.items() if value is not UNSET}
