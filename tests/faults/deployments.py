"""Clusters of the two deployments, each with its own database, and its own folder, or bucket and topics."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

from bench.trees import THIS, Tree
from tests.e2e.deployments import remove_bucket, stack_settings, temporary_folder
from tests.faults.cluster import Cluster
from tests.faults.evidence import BucketObjects, FolderObjects, Places
from tests.faults.topics import Topics
from tests.services import run
from tests.services.databases import own_database
from tests.services.kinds import KafkaService, PostgresService, S3Service

DEPLOYMENTS = ("folder", "stack")


@contextmanager
def open_cluster(
    name: str, postgres: PostgresService | None = None, kafka: KafkaService | None = None, tree: Tree = THIS
) -> Iterator[Cluster]:
    """A cluster without a process, migrated by the code of `tree`, on these servers, or else on the shared ones.

    Those start when first needed.
    """
    unique = f"faults-{uuid4().hex[:12]}"
    with temporary_folder() as folder, own_database(postgres or run.acquire(PostgresService)) as database:
        if name == "folder":
            with _folder_cluster(folder, database, tree) as cluster:
                yield cluster
        else:
            brokers = kafka or run.acquire(KafkaService)
            with _stack_cluster(folder, database, run.acquire(S3Service), brokers, unique, tree) as cluster:
                yield cluster


@contextmanager
def _folder_cluster(folder: Path, database: PostgresService, tree: Tree) -> Iterator[Cluster]:
    """The adapters of the standalone deployment: a folder, and the queue in PostgreSQL."""
    settings = {
        **database.variables,
        "STORAGE_BACKEND": "filesystem",
        "STORAGE_PATH": folder / "objects",
        "QUEUE_BACKEND": "postgres",
    }
    cluster = Cluster("folder", folder, settings, Places(database.conninfo, FolderObjects(folder / "objects")), tree)
    cluster.migrate()
    with closing(cluster):
        yield cluster


@contextmanager
def _stack_cluster(
    folder: Path, database: PostgresService, s3: S3Service, kafka: KafkaService, unique: str, tree: Tree
) -> Iterator[Cluster]:
    """The adapters of the full stack: MinIO and Kafka. The bucket is removed at the end."""
    settings = {**database.variables, **stack_settings(s3, kafka, unique, f"{unique}-")}
    lanes = {settings["KAFKA_TOPIC"]: "fast", settings["KAFKA_SLOW_TOPIC"]: "slow"}
    groups = {str(topic): f"{settings['KAFKA_GROUP_ID']}-{lane}" for topic, lane in lanes.items()}
    topics = Topics(kafka.brokers, str(settings["KAFKA_EVENTS_TOPIC"]), str(settings["KAFKA_DLQ_TOPIC"]), groups)
    cluster = Cluster("stack", folder, settings, Places(database.conninfo, BucketObjects(s3.client(), unique), topics), tree)
    try:
        # The broker out of the wheel has no controller that could create topics; it makes them when they are asked for.
        cluster.migrate(**({"QUEUE_BACKEND": "postgres"} if kafka.source == "wheels" else {}))
        with closing(cluster):
            yield cluster
    finally:
        remove_bucket(s3, unique)
