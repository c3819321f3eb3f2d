"""`image.process`: the task that asks for an image's renditions of one lane."""

from internal.images.outcome import Origin
from internal.images.ports import Workshop
from internal.images.process import process_task
from internal.images.tasks import TASK_TYPE, UnreadableTask, read_task
from internal.queue.port import Delivery
from internal.worker.dispatch import Unprocessable

TYPE = TASK_TYPE


async def handle(delivery: Delivery, workshop: Workshop) -> None:
    message = delivery.message
    try:
        task = read_task(message)
    except UnreadableTask as error:
        raise Unprocessable(str(error)) from error
    await process_task(task, workshop, Origin(delivery.source, message.headers, message.body))
