"""The formats of results: their media types, and what they can hold."""

from msgspec import Struct


class OutputFormat(Struct, frozen=True):
    """`max_side` in pixels; `alpha` and `animation` say whether it holds transparency and more than one frame."""

    name: str
    media_type: str
    alpha: bool
    animation: bool
    max_side: int


FORMATS = {
    known.name: known
    for known in (
        OutputFormat("jpeg", "image/jpeg", alpha=False, animation=False, max_side=65500),
        OutputFormat("png", "image/png", alpha=True, animation=False, max_side=65535),
        OutputFormat("webp", "image/webp", alpha=True, animation=True, max_side=16383),
        OutputFormat("gif", "image/gif", alpha=True, animation=True, max_side=65535),
    )
}


def output_format(asked_for: str | None, input_media_type: str, *, has_alpha: bool = False) -> OutputFormat:
    """The format of a result: as asked for, else as the input; TIFF becomes JPEG, or PNG when it has alpha."""
    if asked_for is not None:
        return FORMATS[asked_for]
    same = (known for known in FORMATS.values() if known.media_type == input_media_type)
    return next(same, FORMATS["png" if has_alpha else "jpeg"])
