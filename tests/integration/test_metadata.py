"""Metadata in the database: the text that came, beside a jsonb for old code; rows without the text are read from it."""

from uuid import UUID

import msgspec
import pytest

from internal.intake.metadata import MAX_DECIMALS, read_metadata
from tests import pictures
from tests.integration.service import Service
from tests.unit.intake.test_metadata import KEPT, nested

MANY = ",".join(["1e308"] * 1300)
"""7.8 KB, of which jsonb makes 404."""

CONTROL = "\\u0001\\ud83d\\ude00"

AT_THE_LIMITS = [
    nested(100),
    f'{{"a": [{MANY}]}}',
    f'{{"a": 0.{"1" * MAX_DECIMALS}}}',
    f'{{"a": 0e{MAX_DECIMALS}, "b": 0e-{MAX_DECIMALS}, "c": -0.0}}',
    f'{{"a": "{CONTROL * 400}"}}',
]

INSERT_OF_OLD_CODE = """
    INSERT INTO images (id, owner, status, original_key, media_type, size, sha256, width, height, filename, metadata)
    SELECT gen_random_uuid(), owner, status, original_key || '-old', media_type, size, sha256, width, height, filename,
           %(metadata)s::jsonb
      FROM images LIMIT 1
    RETURNING id
"""


@pytest.mark.parametrize("text", [*KEPT, *AT_THE_LIMITS])
async def test_all_that_is_taken_is_held(service: Service, text: str) -> None:
    """By both columns; and the text is what is read, alone and in a list."""
    for key in (None, "k"):  # in a statement, and in a transaction
        image_id = await service.upload(pictures.jpeg(), metadata=read_metadata(text), key=key)

        assert (await service.image(image_id)).metadata == text
    assert {image.metadata for image in await service.page()} == {text}
    assert await service.count("images WHERE metadata = metadata_text::jsonb") == 2


async def test_a_row_of_old_code_is_read_from_what_it_has(service: Service) -> None:
    """Migrations rewrite no row, and old code may still write beside new code."""
    await service.upload(pictures.jpeg())
    [row] = await service.session.rows(INSERT_OF_OLD_CODE, {"metadata": '{"album":  "summer", "n": 1.50}'})
    old: UUID = row["id"]

    image = await service.image(old)

    assert msgspec.json.decode(image.metadata) == {"album": "summer", "n": 1.5}
    assert image.metadata in [found.metadata for found in await service.page()]
