"""Size and orientation of originals as stored, in every format and for every orientation."""

from collections.abc import AsyncIterator, Callable

import msgspec
import pytest
import pyvips

from internal.api.schemas import image_body
from internal.domain.image import Image, Original
from internal.intake.inspect import HEIF_MEDIA_TYPES, MEDIA_TYPES
from internal.pipeline.language.grammar import Grammar
from internal.ports.sandbox import Sandbox
from internal.rendering.task import TaskProcessor
from internal.sandbox.pool import open_pool as open_sandbox
from tests import pictures
from tests.apngs import moving_png
from tests.integration.service import Service
from tests.tiffs import SHORT, picture, written

WIDTH, HEIGHT = 64, 48


@pytest.fixture(scope="module")
async def heif_sandbox(worker: TaskProcessor) -> AsyncIterator[Sandbox]:
    scratch = worker.workspaces / "heif"
    async with open_sandbox(
        size=1, memory_bytes=2**31, cpu_seconds=10, wall_seconds=20, max_pictures=1000, scratch=scratch, heif_input=True
    ) as sandbox:
        yield sandbox


@pytest.fixture
def heif_service(service: Service, heif_sandbox: Sandbox) -> Service:
    """The service where HEIF_INPUT is on."""
    policy = msgspec.structs.replace(service.policy, media_types=MEDIA_TYPES | HEIF_MEDIA_TYPES)
    worker = msgspec.structs.replace(service.worker, sandbox=heif_sandbox)
    return Service(msgspec.structs.replace(service.door, policy=policy), worker, service.session)


def jpeg(orientation: int) -> bytes:
    segment = b"Exif\0\0" + pictures.exif(orientation)
    plain = pictures.jpeg(WIDTH, HEIGHT, keep="none")
    return plain[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + plain[2:]


def png(orientation: int) -> bytes:
    return pictures.with_png_chunks(pictures.png(WIDTH, HEIGHT), pictures.png_chunk(b"eXIf", pictures.exif(orientation)))


def webp(orientation: int) -> bytes:
    turned = pictures.scene(WIDTH, HEIGHT).copy()
    turned.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    return bytes(turned.webpsave_buffer(lossless=True))


def tiff(orientation: int) -> bytes:
    return written(picture(WIDTH, HEIGHT, {274: (SHORT, (orientation,))}))


def bigtiff(orientation: int) -> bytes:
    return written(picture(WIDTH, HEIGHT, {274: (SHORT, (orientation,))}), order=">", big=True)


def tiff_with_a_late_directory(orientation: int) -> bytes:
    """It lies behind all that the upload looks at."""
    return written(picture(WIDTH, HEIGHT, {274: (SHORT, (orientation,))}), padding=70_000)


def avif(orientation: int) -> bytes:
    return pictures.turned_avif(orientation, *((HEIGHT, WIDTH) if orientation >= 5 else (WIDTH, HEIGHT)))


def told(original: Original) -> tuple[int | None, int | None, int | None]:
    return original.width, original.height, original.orientation


def upright(image: Image) -> tuple[int, int]:
    [rendition] = image.renditions
    assert rendition.result is not None, rendition.failure
    return rendition.result.width, rendition.result.height


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("make", "at_once"),
    [
        (jpeg, True),
        (png, False),
        (webp, False),
        (tiff, True),
        (bigtiff, True),
        (tiff_with_a_late_directory, None),
        (avif, True),
    ],
)
async def test_an_original_is_told_as_stored(
    make: Callable[[int], bytes], at_once: bool | None, orientation: int, heif_service: Service
) -> None:
    """`at_once`: whether the first bytes tell the orientation; None: not even the sides."""
    image_id = await heif_service.upload(make(orientation), "format:png")
    first = (await heif_service.image(image_id)).original
    stored = (WIDTH, HEIGHT, orientation)
    assert told(first) == ((None, None, None) if at_once is None else (WIDTH, HEIGHT, orientation if at_once else None))

    image = await heif_service.process(image_id)

    assert told(image.original) == stored
    assert upright(image) == ((HEIGHT, WIDTH) if orientation >= 5 else (WIDTH, HEIGHT))
    body = image_body(image, Grammar()).original
    assert body is not None
    assert (body.width, body.height, body.orientation) == stored


@pytest.mark.parametrize(
    ("data", "sides", "frames"),
    [
        (pictures.gif(60, 40), (60, 40), 1),
        (pictures.animated_gif(3), (32, 24), 3),
        (pictures.animated_webp(3), (32, 24), 3),
        (moving_png(3), (32, 24), 3),
        (pictures.animated_avif(3), (32, 24), 3),
    ],
    ids=["gif", "animated gif", "animated webp", "animated png", "animated avif"],
)
async def test_what_is_never_turned_has_orientation_1(
    data: bytes, sides: tuple[int, int], frames: int, heif_service: Service
) -> None:
    image = await heif_service.process(await heif_service.upload(data))

    assert told(image.original) == (*sides, 1)
    assert image.original.frames == frames


async def test_a_row_from_before_reads_as_null_and_learns_with_its_next_rendition(service: Service) -> None:
    """Until then JPEG and TIFF were noted with their sides as they are upright."""
    image_id = await service.upload(jpeg(6))
    await service.process(image_id)
    before = "UPDATE images SET width = height, height = width, orientation = NULL WHERE id = %(id)s"
    await service.session.run(before, {"id": image_id})
    old = await service.image(image_id)
    assert told(old.original) == (HEIGHT, WIDTH, None)
    body = image_body(old, Grammar()).original
    assert body is not None
    assert body.orientation is None

    async with service.repository.transaction() as work:
        await service.ask(work, image_id, "next", "resize:9x9")
    await service.process(image_id)

    assert told((await service.image(image_id)).original) == (WIDTH, HEIGHT, 6)


async def test_old_code_writes_beside_the_new_column(service: Service) -> None:
    """Forward-safe: its statements name every column that they write, and this one may be NULL."""
    rows = await service.session.rows(
        "SELECT is_nullable, column_default FROM information_schema.columns"
        " WHERE table_name = 'images' AND column_name = 'orientation'"
    )

    assert rows == [{"is_nullable": "YES", "column_default": None}]
