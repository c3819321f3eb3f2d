"""Results beyond a limit are refused with the right code before they are computed."""

import pytest
import pyvips

from internal.domain.errors import OutputTooLarge
from tests import pictures
from tests.unit.pipeline.conftest import LIMITS, Renderer


@pytest.mark.parametrize(
    "chain",
    [
        "resize:60000x100,fit=cover,enlarge=true,gravity=attention",
        "resize:60000x,enlarge=true",
        "resize:9000x9000,fit=fill,enlarge=true|blur:2",
        "pad:60000x60000",
        "flip|resize:30000x30000,enlarge=true,fit=outside",
    ],
)
def test_a_result_that_would_be_too_large_is_refused(chain: str, rendered: Renderer) -> None:
    with pytest.raises(OutputTooLarge):
        rendered(pictures.jpeg(100, 100), chain, "image/jpeg", LIMITS)


@pytest.mark.parametrize("chain", ["rotate:-1e-20", "watermark:text=hi,angle=-1e-20"])
def test_an_angle_that_is_nearly_none_is_none(chain: str, rendered: Renderer) -> None:
    made, _ = rendered(pictures.jpeg(64, 48), chain)

    assert (made.width, made.height) == (64, 48)


def test_lossless_keeps_what_cannot_be_seen(rendered: Renderer) -> None:
    clear = pictures.scene(64, 48).bandjoin(0)

    _, path = rendered(bytes(clear.pngsave_buffer()), "format:webp|lossless", "image/png")

    assert (pyvips.Image.new_from_file(str(path))[:3] - pictures.scene(64, 48)).abs().max() == 0
