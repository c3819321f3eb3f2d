"""Which handler a message goes to: the module in `internal/worker/handlers` whose TYPE is the message's type.

To handle a new type, add a file there: a `TYPE` and an `async def handle(delivery, workshop)`. Nothing else needs to know.
"""

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Mapping

import structlog

from internal.domain.dead_letter import UNREADABLE, DeadLetter
from internal.domain.errors import ServiceError, Unavailable
from internal.domain.message import MessageContext
from internal.ports.queue import Delivery
from internal.rendering.workshop import Workshop
from internal.worker import handlers

log = structlog.get_logger(__name__)

Handler = Callable[[Delivery, Workshop], Awaitable[None]]


class Unprocessable(Exception):
    """No attempt can ever do anything with this message; the text says why."""


def find_handlers() -> dict[str, Handler]:
    """Every handler by the type that it takes. Raises ValueError when two take the same."""
    found: dict[str, Handler] = {}
    for module_info in pkgutil.iter_modules(handlers.__path__):
        module = importlib.import_module(f"{handlers.__name__}.{module_info.name}")
        if module.TYPE in found:
            raise ValueError(f"two handlers for {module.TYPE!r}")
        found[module.TYPE] = module.handle
    return found


async def dispatch(delivery: Delivery, workshop: Workshop, known: Mapping[str, Handler]) -> None:
    """Handle one message; returns when it can be acknowledged. Raises Unavailable only.

    What can't be read or understood, or makes a handler crash, becomes a dead letter (G3): it must not come back for ever. Should
    it come back once more, because it could not be acknowledged, it is the same letter.
    """
    message = delivery.message
    if delivery.unreadable is not None:
        log.warning("message.unreadable", source=delivery.source, detail=delivery.unreadable)
        await workshop.repository.dead_letters.add(_dead_letter(delivery, UNREADABLE, delivery.unreadable))
        return
    with structlog.contextvars.bound_contextvars(request_id=MessageContext.of_headers(message.headers).request_id):
        try:
            handler = known.get(message.type)
            if handler is None:
                raise Unprocessable(f"no handler for messages of type {message.type[:64]!r}")
            await handler(delivery, workshop)
        except Unprocessable as error:
            log.warning("message.dead", source=delivery.source, detail=str(error))
            await workshop.repository.dead_letters.add(_dead_letter(delivery, "unprocessable_message", str(error)))
        except Unavailable:
            raise
        except Exception as error:
            log.exception("message.crashed", source=delivery.source)
            await workshop.repository.dead_letters.add(_dead_letter(delivery, ServiceError.code, type(error).__name__))


def _dead_letter(delivery: Delivery, code: str, detail: str) -> DeadLetter:
    return DeadLetter.of_message(delivery.message, delivery.channel, code=code, detail=detail, source=delivery.source)
