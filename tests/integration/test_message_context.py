"""Each task's message carries the id of the request that led to it, however often it is sent again."""

from uuid import UUID

import pytest
from msgspec.structs import replace

from internal.domain.errors import DecoderFailed
from internal.domain.identity import ANONYMOUS
from internal.domain.message import NO_REQUEST, MessageContext
from internal.domain.rendition import Lane
from internal.domain.tasks import Task
from internal.library.renditions import retry_failed
from internal.maintenance.requeue import requeue_stalled
from internal.ports.sandbox import Rendered, RenderJob
from internal.rendering.transitions import Origin
from tests import pictures
from tests.integration.service import Service

CONTEXT = MessageContext(request_id="the caller's")
HEADERS = {"x-request-id": "the caller's"}


async def headers_sent(service: Service) -> list[dict[str, str]]:
    """The headers of the tasks in the outbox, which is empty afterwards."""
    rows = await service.session.rows("DELETE FROM outbox WHERE channel IN ('fast', 'slow') RETURNING headers")
    return [row["headers"] for row in rows]


class Dying:
    """A sandbox whose children die of every picture."""

    async def render(self, _: RenderJob) -> Rendered:
        raise DecoderFailed

    async def check(self) -> None:
        """It is there."""


async def uploaded(service: Service, cause: MessageContext = NO_REQUEST) -> UUID:
    """An image whose task has been sent."""
    image_id = await service.upload(pictures.jpeg(), cause=cause)
    assert await headers_sent(service) == [cause.headers()]
    return image_id


async def test_an_upload_and_what_is_asked_for_later_carry_their_own_request(service: Service) -> None:
    image_id = await uploaded(service, CONTEXT)
    async with service.repository.transaction() as work:
        await service.ask(work, image_id, "more", "resize:8x8", MessageContext("another"))
    assert await headers_sent(service) == [{"x-request-id": "another"}]
    await service.session.run("UPDATE renditions SET status = 'failed'")

    async with service.repository.transaction() as work:
        await retry_failed(work, service.policy, ANONYMOUS, image_id, MessageContext("a third"))

    assert await headers_sent(service) == [{"x-request-id": "a third"}]


@pytest.mark.parametrize("request_id", ["the caller's", None])
async def test_a_postponed_attempt_carries_the_request_of_its_message(service: Service, request_id: str | None) -> None:
    image_id = await uploaded(service)
    context = MessageContext(request_id)
    worker = replace(service.worker, sandbox=Dying())

    await worker.process(Task(image_id, Lane.FAST), Origin("test/0/1", context.headers(), b""))

    assert await headers_sent(service) == [context.headers()]


async def test_a_deferred_task_carries_the_request_of_its_message(service: Service) -> None:
    image_id = await uploaded(service)

    await service.worker.transitions.defer(Task(image_id, Lane.FAST), CONTEXT, seconds=0)

    assert await headers_sent(service) == [HEADERS]


async def test_housekeeping_acts_for_no_request(service: Service) -> None:
    image_id = await uploaded(service, CONTEXT)
    await service.let_lease_run_out(await service.claim(image_id))

    assert await requeue_stalled(service.worker.transitions) == 1

    assert await headers_sent(service) == [{}]
