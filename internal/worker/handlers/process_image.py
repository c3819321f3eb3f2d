"""`image.process`: the task that asks for an image's renditions of one lane."""

from functools import partial

from internal.domain.tasks import TASK_TYPE, UnreadableTask, read_task
from internal.ports.queue import Delivery
from internal.rendering.task import TaskProcessor
from internal.rendering.transitions import Origin
from internal.worker.dispatch import Handler, HandlerPorts, Unprocessable

TYPE = TASK_TYPE


def create(ports: HandlerPorts) -> Handler:
    return partial(handle, ports.tasks)


async def handle(tasks: TaskProcessor, delivery: Delivery) -> None:
    message = delivery.message
    try:
        task = read_task(message)
    except UnreadableTask as error:
        raise Unprocessable(str(error)) from error
    await tasks.process(task, Origin(delivery.source, message.headers, message.body))
