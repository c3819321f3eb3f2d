"""One migrated database, one sandbox and one folder for all tests of the core; every test leaves them empty."""

from collections.abc import AsyncIterator, Iterator

import pytest

from internal.domain.message import Channel
from internal.intake.inspect import MEDIA_TYPES
from internal.intake.multipart import MultipartDoor
from internal.intake.policy import UploadPolicy
from internal.objectstore.filesystem.store import create_folder, open_filesystem_store
from internal.pipeline.language.grammar import Grammar
from internal.ports.sandbox import RenderLimits
from internal.postgres.listener import Listener, open_listener
from internal.postgres.migrations import migrate
from internal.postgres.pool import Pool, PooledSession, connection_string, open_connection_pool
from internal.postgres.settings import DatabaseSettings
from internal.rendering.task import TaskProcessor
from internal.rendering.timings import WorkerTimings
from internal.repository.tables import PostgresRepository
from internal.sandbox.pool import open_pool as open_sandbox
from internal.wiring.api import API_SIGNALS
from tests.integration.service import Service
from tests.services import wheels
from tests.services.kinds import PostgresService, S3Service

POLICY = UploadPolicy(
    grammar=Grammar(presets={"small": "resize:16x16"}),
    media_types=MEDIA_TYPES,
    max_upload_bytes=8 * 2**20,
    max_width=20_000,
    max_height=20_000,
    max_pixels=100_000_000,
    max_renditions=8,
    max_metadata_bytes=8192,
    slow_pixels=50_000_000,
    slow_animation_bytes=2**20,
    default_processing="resize:2048x2048",
    intent_seconds=60,
    upload_expires_seconds=3600,
)
TIMINGS = WorkerTimings(
    intent_seconds=60,
    lease_seconds=6,
    renew_seconds=0.05,
    backoff_seconds=1,
    overdue_seconds=60,
    sweep_seconds=60,
    pause_seconds=0.05,
    defer_seconds=60,
    max_attempts=3,
)
LIMITS = RenderLimits(20_000, 20_000, 100_000_000, 1000, 50_000_000, 50_000_000)


@pytest.fixture(scope="session")
def database_settings(database: PostgresService) -> DatabaseSettings:
    """A migrated database of this session's own."""
    settings = database.settings(pool_size=8)
    migrate(settings)
    return settings


@pytest.fixture(autouse=True)
def patient_release(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a busy database did not give back in time would be under its lease for a while."""
    monkeypatch.setattr("internal.rendering.transitions.RELEASE_SECONDS", 60.0)


@pytest.fixture(autouse=True)
def every_look_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests make rows older behind the repository's back."""
    monkeypatch.setattr("internal.postgres.lower_bound.WHOLE_SECONDS", 0.0)


@pytest.fixture(scope="session")
async def pool(database_settings: DatabaseSettings) -> AsyncIterator[Pool]:
    async with open_connection_pool(database_settings) as pool:
        yield pool


@pytest.fixture(scope="session")
async def listener(database_settings: DatabaseSettings) -> AsyncIterator[Listener]:
    async with open_listener(connection_string(database_settings), API_SIGNALS) as listener:
        yield listener


@pytest.fixture(scope="session")
async def worker(pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TaskProcessor]:
    scratch, objects = tmp_path_factory.mktemp("scratch"), tmp_path_factory.mktemp("objects")
    await create_folder(objects)
    repository = PostgresRepository(pool, frozenset(Channel))
    async with (
        open_filesystem_store(objects) as store,
        open_sandbox(
            size=2, memory_bytes=2**31, cpu_seconds=10, wall_seconds=20, max_pictures=1000, scratch=scratch / "children"
        ) as sandbox,
    ):
        yield TaskProcessor(repository, store, sandbox, LIMITS, TIMINGS, scratch, Grammar())


@pytest.fixture(scope="session")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Service]:
    """The S3 server out of the wheel, also where `s3` is MinIO."""
    with wheels.run("s3", tmp_path_factory.mktemp("rclone")) as started:
        assert isinstance(started.service, S3Service)
        yield started.service


@pytest.fixture
async def service(worker: TaskProcessor, pool: Pool) -> AsyncIterator[Service]:
    door = MultipartDoor(worker.repository, worker.store, POLICY)
    service = Service(door, worker, PooledSession(pool))
    yield service
    await service.tidy()
    assert list(worker.workspaces.glob("task-*")) == []
