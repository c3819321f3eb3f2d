"""API keys, for admins: create, list, revoke."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import delete, get, post
from litestar.openapi.spec import Example, Tag
from litestar.params import PathParameter, QueryParameter
from msgspec import Meta, Struct
from msgspec.structs import asdict, replace

from internal.api.openapi.components import Json
from internal.api.openapi.describe import Answer, JsonBody, describe
from internal.api.openapi.examples import UPLOADED_AT
from internal.api.requests.cursor import read_cursor, write_cursor
from internal.api.requests.identity import principal_of
from internal.api.requests.request import EXAMPLE_ID, id_of, json_of, state_of
from internal.api.routes.images import DEFAULT_LIMIT, MAX_JSON_BYTES, MAX_LIMIT, Cursor
from internal.api.schemas import Moment
from internal.domain.api_key import ApiKey, key_of, prefix_of
from internal.domain.audit import actor_of
from internal.domain.errors import DatabaseUnavailable, NotFound, PayloadTooLarge
from internal.domain.identity import Scope
from internal.domain.owner import MAX_OWNER
from internal.http.asgi import ApiRequest
from internal.identity.keys import MAX_EXPIRES_IN, MAX_NAME, check_owner, create_key, revoke_key

KEYS = Tag("Keys", "API keys. They are for admins: a key with the scope `images:admin` is made by `imagectl keys create`.")


ScopeText = Annotated[str, Meta(extra_json_schema={"enum": [scope.value for scope in Scope]})]


class NewKeyBody(Struct, forbid_unknown_fields=True):
    """A key to create. `expires_in` in seconds; null, or left out: the key never expires. `name` is for people.

    The bounds are described here and checked by `create_key`, whose sentences are better.
    """

    owner: Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": MAX_OWNER})]
    scopes: Annotated[list[ScopeText], Meta(extra_json_schema={"minItems": 1})]
    name: Annotated[str, Meta(extra_json_schema={"maxLength": MAX_NAME})] = ""
    expires_in: Annotated[int, Meta(extra_json_schema={"minimum": 1, "maximum": MAX_EXPIRES_IN})] | None = None


class KeyBody(Struct):
    """A key without its secret. `prefix`: its first characters. `last_used_at` is recorded once a minute."""

    id: UUID
    name: str
    owner: str
    scopes: list[Scope]
    prefix: str
    created_at: Moment
    expires_at: Moment | None
    last_used_at: Moment | None
    revoked_at: Moment | None


class CreatedKeyBody(KeyBody):
    """A new key. `key` is shown this once, and is stored nowhere."""

    key: str


class KeyPageBody(Struct):
    items: list[KeyBody]
    next_cursor: str | None


_EXAMPLE_KEY = key_of(0)


def _example_key() -> ApiKey:
    scopes = (Scope.READ, Scope.WRITE)
    return ApiKey(UUID(EXAMPLE_ID), "the shop's backend", "shop", scopes, prefix_of(_EXAMPLE_KEY), UPLOADED_AT)


def _examples_of_new() -> Json:
    body = NewKeyBody("shop", [Scope.READ, Scope.WRITE], "the shop's backend", 90 * 86_400)
    return {"ninety_days": msgspec.to_builtins(body)}


def _example_of_created() -> Json:
    return {"created": msgspec.to_builtins(CreatedKeyBody(**_fields(_example_key()), key=_EXAMPLE_KEY))}


def _example_of_page() -> Json:
    return {"page": msgspec.to_builtins(KeyPageBody([key_body(_example_key())], None))}


def _example_of_revoked() -> Json:
    return {"revoked": msgspec.to_builtins(key_body(replace(_example_key(), revoked_at=UPLOADED_AT)))}


def key_body(key: ApiKey) -> KeyBody:
    return KeyBody(**_fields(key))


def _fields(key: ApiKey) -> dict[str, Any]:
    return {**asdict(key), "scopes": list(key.scopes)}


@post(
    "/keys",
    **describe(
        KEYS,
        "Create an API key",
        scope=Scope.ADMIN,
        body=JsonBody(NewKeyBody, _examples_of_new),
        answers={201: Answer("The key, shown this once.", examples=_example_of_created)},
        errors=(PayloadTooLarge, DatabaseUnavailable),
    ),
    request_max_body_size=MAX_JSON_BYTES,
)
async def create_api_key(request: ApiRequest) -> CreatedKeyBody:
    """The key works at once. Only its SHA-256 is stored: a key that is lost is revoked, and another one made. For that reason the
    call takes no Idempotency-Key: the answer would have to be kept.
    """
    data = await json_of(request, NewKeyBody)
    repository = state_of(request).repository
    key, secret = await create_key(
        repository,
        actor_of(principal_of(request)),
        owner=data.owner,
        scopes=data.scopes,
        name=data.name,
        expires_in=data.expires_in,
    )
    return CreatedKeyBody(**_fields(key), key=secret)


@get(
    "/keys",
    **describe(
        KEYS,
        "List API keys",
        scope=Scope.ADMIN,
        answers={200: Answer("One page.", examples=_example_of_page)},
        errors=(DatabaseUnavailable,),
    ),
)
async def list_api_keys(
    request: ApiRequest,
    limit: Annotated[int, QueryParameter(description="Keys a page.", ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: Cursor = None,
    owner: Annotated[str | None, QueryParameter(description="Only keys of this owner.")] = None,
) -> KeyPageBody:
    """The keys of all owners, newest first, revoked and expired ones too. Follow `next_cursor` until it is null."""
    if owner is not None:
        check_owner(owner)
    before = None if cursor is None else read_cursor(cursor, UUID)
    found = await state_of(request).repository.api_keys.page(limit=limit + 1, before=before, owner=owner)
    page = found[:limit]
    return KeyPageBody([key_body(key) for key in page], write_cursor(page[-1].id) if len(found) > limit else None)


@delete(
    "/keys/{key_id:str}",
    status_code=200,
    **describe(
        KEYS,
        "Revoke an API key",
        scope=Scope.ADMIN,
        answers={200: Answer("It is revoked.", examples=_example_of_revoked)},
        errors=(NotFound, DatabaseUnavailable),
    ),
)
async def revoke_api_key(
    request: ApiRequest,
    key_id: Annotated[
        str,
        PathParameter(
            description="The key's id.", schema_extra={"format": "uuid"}, examples=[Example(id="id", value=EXAMPLE_ID)]
        ),
    ],
) -> KeyBody:
    """No process of the service takes the key any longer two seconds after this answer. The key stays in the list, with
    `revoked_at`. A second call gets the same answer.
    """
    wanted = id_of(key_id, NotFound("There is no such key."))
    return key_body(await revoke_key(state_of(request).repository, actor_of(principal_of(request)), wanted))
