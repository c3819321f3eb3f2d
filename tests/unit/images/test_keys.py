"""Object keys: our ids and nothing else."""

import pytest

from internal.images.keys import check_key, original_key, result_key
from internal.images.model import new_id


def test_keys_carry_ids_and_the_attempt() -> None:
    image_id, rendition_id = new_id(), new_id()

    assert check_key(original_key(image_id)) == f"originals/{image_id}"
    assert check_key(result_key(image_id, rendition_id, 3)) == f"renditions/{image_id}/{rendition_id}/3"


ID = "01a1fd39-ea92-74ec-9469-395a78bfd478"


@pytest.mark.parametrize(
    "key",
    ["", "originals/", "originals/../x", f"originals/{ID}/", f"originals/{ID}\n", f"renditions/{ID}/1/0", f"/originals/{ID}"],
)
def test_anything_else_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="not an object key"):
        check_key(key)
