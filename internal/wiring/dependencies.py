"""The dependencies that the health checks of API and worker examine."""

from internal.observability.health import Dependency
from internal.ports.object_store import ObjectStore
from internal.ports.queue import Queue
from internal.ports.repository.repository import Repository


def dependencies_of(repository: Repository, store: ObjectStore, queue: Queue, seconds: float) -> dict[str, Dependency]:
    """Database, object store and queue. The queue is not essential: uploads go on while it is down (G6)."""
    return {
        "database": Dependency(repository.check, seconds),
        "object_store": Dependency(store.check, seconds),
        "queue": Dependency(queue.check, seconds, essential=False),
    }
