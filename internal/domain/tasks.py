"""A task, and the message that carries it through the queue."""

from uuid import UUID

import msgspec
from msgspec import Struct

from internal.domain.message import Channel, Message, MessageContext
from internal.domain.rendition import Lane


class Task(Struct, frozen=True):
    """The queue message that asks for an image's renditions of one lane."""

    image_id: UUID
    lane: Lane


TASK_TYPE = "image.process"

CHANNEL = {Lane.FAST: Channel.FAST, Lane.SLOW: Channel.SLOW}


class UnreadableTask(ValueError):
    """The body is not a task, or one of a version that this worker does not know."""


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    image_id: UUID
    lane: Lane
    version: int = 1


def task_message(image_id: UUID, lane: Lane, context: MessageContext) -> Message:
    """The message that asks for an image's renditions of one lane. Its headers carry `context`."""
    return Message(TASK_TYPE, str(image_id), msgspec.json.encode(_Body(image_id, lane)), context.headers())


def read_task(message: Message) -> Task:
    """Raises UnreadableTask, with a sentence that says what is wrong."""
    try:
        body = msgspec.json.decode(message.body, type=_Body)
    except msgspec.MsgspecError as error:
        raise UnreadableTask(f"not a task: {error}") from error
    if body.version != 1:
        raise UnreadableTask(f"a task of version {body.version}; this worker knows version 1")
    return Task(body.image_id, body.lane)
