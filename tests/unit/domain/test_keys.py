"""Object keys: our ids and nothing else."""

from typing import get_args

import pytest

from internal.domain.ids import new_id
from internal.domain.keys import alternative_key, attempt_keys, check_key, original_key, result_key
from internal.pipeline.containers.formats import Modern


def test_keys_carry_ids_and_the_attempt() -> None:
    image_id, rendition_id = new_id(), new_id()

    assert check_key(original_key(image_id)) == f"originals/{image_id}"
    assert check_key(result_key(image_id, rendition_id, 3)) == f"renditions/{image_id}/{rendition_id}/3"


def test_a_second_files_key_says_what_it_is() -> None:
    result = result_key(new_id(), new_id(), 3)

    keys = [alternative_key(result, f"image/{name}") for name in get_args(Modern)]

    assert keys == [f"{result}-webp", f"{result}-avif"]
    assert attempt_keys(result) == [result, *keys]
    assert [check_key(key) for key in keys] == keys
    with pytest.raises(ValueError, match="not an object key"):
        alternative_key(result, "image/jpeg")


ID = "01a1fd39-ea92-74ec-9469-395a78bfd478"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "originals/",
        "originals/../x",
        f"originals/{ID}/",
        f"originals/{ID}\n",
        f"renditions/{ID}/1/0",
        f"/originals/{ID}",
        f"renditions/{ID}/{ID}/1-png",
    ],
)
def test_anything_else_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="not an object key"):
        check_key(key)
