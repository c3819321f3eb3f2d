"""For admins: what waits in the whole service, and dead letters."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.openapi.spec import Tag
from litestar.params import QueryParameter
from msgspec import Meta, Struct

from internal.api.openapi.components import Json
from internal.api.openapi.describe import Answer, JsonBody, describe
from internal.api.requests.cursor import invalid_cursor
from internal.api.requests.identity import principal_of
from internal.api.requests.request import json_of, state_of
from internal.api.routes.images import DEFAULT_LIMIT, MAX_JSON_BYTES, MAX_LIMIT
from internal.api.schemas import Moment
from internal.domain.audit import actor_of
from internal.domain.errors import InvalidRequest, PayloadTooLarge
from internal.domain.identity import Scope
from internal.domain.status import Status
from internal.http.asgi import ApiRequest
from internal.maintenance.dead_letters import Replay, replay
from internal.observability.health import Condition, examine
from internal.ports.repository.dead_letters import DeadLetterEntry
from internal.ports.repository.statistics import BacklogStats

ADMIN = Tag("Admin", "For operators: every owner's work. It needs the scope `images:admin`, which `AUTH_MODE=none` gives nobody.")


class OverviewBody(Struct):
    """The API's condition and its dependencies as `/health` shows them, and the work that waits in the whole service."""

    status: Condition
    dependencies: dict[str, str]
    backlog: BacklogStats


class DeadLetterBody(Struct):
    """A rendition that failed for good, or a message that no worker could process: then `image_id` and `rendition` are null.

    `source`: where its task came from in the queue. `rendition_status`: the rendition's status now; null when the image is gone.
    """

    id: int
    created_at: Moment
    code: str
    detail: str
    source: str
    attempts: int
    image_id: UUID | None
    rendition: str | None
    rendition_status: Status | None


class DeadLetterPage(Struct):
    items: list[DeadLetterBody]
    next_cursor: str | None


class ReplayRequest(Struct, forbid_unknown_fields=True):
    """Which dead letters: by `ids`, or the newest of a `code`, from `cursor` on."""

    ids: Annotated[list[int], Meta(min_length=1, max_length=MAX_LIMIT)] | None = None
    code: Annotated[str, Meta(min_length=1)] | None = None
    cursor: str | None = None


class ReplayedBody(Struct):
    """What became of one. Only `queued` removes the dead letter; the other outcomes change nothing."""

    id: int
    outcome: Replay


class ReplayPage(Struct):
    items: list[ReplayedBody]
    next_cursor: str | None


def _overview_example() -> Json:
    backlog = BacklogStats(3, 0.2, 12, 2, 1.5, 0.7, 0, 4, 0, 1)
    body = OverviewBody(Condition.OK, dict.fromkeys(("database", "object_store", "queue"), Condition.OK), backlog)
    return {"quiet": msgspec.to_builtins(body)}


def _letter_example() -> Json:
    when, image_id = datetime.fromisoformat("2026-11-21T08:30:00Z"), UUID("0192f0c1-7c1e-7b7e-9d57-0e1f4a3c2b1a")
    detail = "The decoder took more time than one picture may use."
    letter = DeadLetterBody(13, when, "decoder_timeout", detail, "images.process/3/118", 5, image_id, "default", Status.FAILED)
    return {"one": msgspec.to_builtins(DeadLetterPage([letter], None))}


def _replay_examples() -> Json:
    return {"by id": {"ids": [13]}, "by code": {"code": "decoder_timeout"}}


@get(
    "/admin/overview",
    **describe(ADMIN, "Show what waits", scope=Scope.ADMIN, answers={200: Answer("As it is now.", examples=_overview_example)}),
)
async def show_overview(request: ApiRequest) -> OverviewBody:
    """Counts of rows and ages in seconds, over all owners."""
    state = state_of(request)
    report = await examine(state.dependencies)
    return OverviewBody(report.status, report.dependencies, await state.repository.backlog_stats())


@get(
    "/admin/dead-letters",
    **describe(ADMIN, "List dead letters", scope=Scope.ADMIN, answers={200: Answer("One page.", examples=_letter_example)}),
)
async def list_dead_letters(
    request: ApiRequest,
    limit: Annotated[int, QueryParameter(description="Dead letters a page.", ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: Annotated[
        str | None,
        QueryParameter(
            description="Where the page begins: `next_cursor` of the page before.", schema_extra={"pattern": "^[0-9]{1,18}$"}
        ),
    ] = None,
    code: Annotated[str | None, QueryParameter(description="Only dead letters with this code.", min_length=1)] = None,
) -> DeadLetterPage:
    """Newest first. Follow `next_cursor` until it is null."""
    entries, following = await _page(request, cursor, code, limit)
    return DeadLetterPage([_letter_body(entry) for entry in entries], following)


@post(
    "/admin/dead-letters/replay",
    status_code=200,
    request_max_body_size=MAX_JSON_BYTES,
    **describe(
        ADMIN,
        "Try dead letters again",
        scope=Scope.ADMIN,
        body=JsonBody(ReplayRequest, _replay_examples),
        answers={
            200: Answer(
                "What became of each.",
                examples=lambda: {"queued": msgspec.to_builtins(ReplayPage([ReplayedBody(13, Replay.QUEUED)], None))},
            )
        },
        errors=(PayloadTooLarge,),
    ),
)
async def replay_dead_letters(request: ApiRequest) -> ReplayPage:
    """A failed rendition is queued again with all its attempts; a message is sent to its queue again. At most 200 a call: by
    code, ask again with `cursor` until `next_cursor` is null. Each replay is in the audit.
    """
    state, actor = state_of(request), actor_of(principal_of(request))
    asked = await json_of(request, ReplayRequest)
    if (asked.ids is None) == (asked.code is None) or (asked.cursor is not None and asked.ids is not None):
        raise InvalidRequest("Give either `ids`, or a `code` and perhaps a `cursor`.")
    following = None
    ids = asked.ids
    if ids is None:
        entries, following = await _page(request, asked.cursor, asked.code, MAX_LIMIT)
        ids = [entry.id for entry in entries]
    return ReplayPage([ReplayedBody(one, await replay(state.repository, one, actor)) for one in dict.fromkeys(ids)], following)


async def _page(
    request: ApiRequest, cursor: str | None, code: str | None, limit: int
) -> tuple[list[DeadLetterEntry], str | None]:
    """One page of dead letters, and the cursor of the next one. Raises InvalidRequest for a cursor that is none."""
    if cursor is not None and not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= 18):
        raise invalid_cursor()
    before = None if cursor is None else int(cursor)
    entries = await state_of(request).repository.dead_letters.page(before=before, code=code, limit=limit + 1)
    return entries[:limit], str(entries[limit - 1].id) if len(entries) > limit else None


def _letter_body(entry: DeadLetterEntry) -> DeadLetterBody:
    letter = entry.dead_letter
    return DeadLetterBody(
        id=entry.id,
        created_at=entry.created_at,
        code=letter.code,
        detail=letter.detail,
        source=letter.source,
        attempts=letter.attempts,
        image_id=letter.image_id,
        rendition=letter.rendition,
        rendition_status=entry.rendition_status,
    )
