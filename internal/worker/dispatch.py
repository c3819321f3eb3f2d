"""Which handler gets a message: that of the module in `internal/worker/handlers` whose TYPE is the message's type.

A new type is a new file there, with a `TYPE` and a function `create`, which takes the ports that its handler uses.
"""

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Mapping

import structlog
from msgspec import Struct

from internal.domain.dead_letter import UNREADABLE, DeadLetter
from internal.domain.errors import ServiceError, Unavailable
from internal.domain.message import MessageContext
from internal.ports.object_store import ObjectStore
from internal.ports.queue import Delivery
from internal.ports.repository.dead_letters import DeadLetters
from internal.ports.repository.repository import Repository
from internal.rendering.task import TaskProcessor
from internal.worker import handlers

log = structlog.get_logger(__name__)

Handler = Callable[[Delivery], Awaitable[None]]


class HandlerPorts(Struct, frozen=True):
    """The dependencies of handlers. `create` of a handler's module takes from it what it uses."""

    repository: Repository
    store: ObjectStore
    tasks: TaskProcessor


class Unprocessable(Exception):
    """The message can never be processed; the text says why."""


def create_handlers(ports: HandlerPorts) -> dict[str, Handler]:
    """Every handler by its message type. Raises ValueError when two modules have the same type."""
    created: dict[str, Handler] = {}
    for module_info in pkgutil.iter_modules(handlers.__path__):
        module = importlib.import_module(f"{handlers.__name__}.{module_info.name}")
        if module.TYPE in created:
            raise ValueError(f"two handlers for {module.TYPE!r}")
        created[module.TYPE] = module.create(ports)
    return created


async def dispatch(delivery: Delivery, known: Mapping[str, Handler], dead_letters: DeadLetters) -> None:
    """Handle one message. Returns when it can be acknowledged. Raises Unavailable only.

    A message that is unreadable, of an unknown type or unprocessable, or whose handler crashes, becomes a dead letter (G3), so
    that it does not come back for ever. If it is delivered again, because it was not acknowledged, it is the same dead letter.
    """
    message = delivery.message
    if delivery.unreadable is not None:
        log.warning("message.unreadable", source=delivery.source, detail=delivery.unreadable)
        await dead_letters.add(_dead_letter(delivery, UNREADABLE, delivery.unreadable))
        return
    with structlog.contextvars.bound_contextvars(request_id=MessageContext.of_headers(message.headers).request_id):
        try:
            handler = known.get(message.type)
            if handler is None:
                raise Unprocessable(f"no handler for messages of type {message.type[:64]!r}")
            await handler(delivery)
        except Unprocessable as error:
            log.warning("message.dead", source=delivery.source, detail=str(error))
            await dead_letters.add(_dead_letter(delivery, "unprocessable_message", str(error)))
        except Unavailable:
            raise
        except Exception as error:
            log.exception("message.crashed", source=delivery.source)
            await dead_letters.add(_dead_letter(delivery, ServiceError.code, type(error).__name__))


def _dead_letter(delivery: Delivery, code: str, detail: str) -> DeadLetter:
    return DeadLetter.of_message(delivery.message, delivery.channel, code=code, detail=detail, source=delivery.source)
