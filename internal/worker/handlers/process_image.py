"""`image.process`: the task that asks for an image's renditions of one lane."""

from internal.domain.tasks import TASK_TYPE, UnreadableTask, read_task
from internal.ports.queue import Delivery
from internal.rendering.task import process_task
from internal.rendering.transitions import Origin
from internal.rendering.workshop import Workshop
from internal.worker.dispatch import Unprocessable

TYPE = TASK_TYPE


async def handle(delivery: Delivery, workshop: Workshop) -> None:
    message = delivery.message
    try:
        task = read_task(message)
    except UnreadableTask as error:
        raise Unprocessable(str(error)) from error
    await process_task(task, workshop, Origin(delivery.source, message.headers, message.body))
