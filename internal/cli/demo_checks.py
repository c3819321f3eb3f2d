"""Checks of the demo's results."""

import pyvips

from internal.cli.errors import CommandError


def check(right: bool, otherwise: str) -> None:
    """Raise CommandError with the text `otherwise` unless `right` is true."""
    if not right:
        raise CommandError(f"The demo found something wrong: {otherwise}")


def check_picture(content: bytes, width: int, height: int, *, frames: int) -> None:
    """Check that the bytes are a complete picture of this size, without private metadata."""
    try:
        picture = pyvips.Image.new_from_buffer(content, "", fail_on="warning", n=-1) if frames > 1 else _single(content)
        picture.avg()  # reads every pixel
    except pyvips.Error as error:
        raise CommandError(f"The demo found something wrong: a result can't be read ({error.message})") from error
    size = (picture.width, picture.height // frames)
    check(size == (width, height), f"a result has {size[0]}x{size[1]} pixels instead of {width}x{height}")
    private = [field for field in picture.get_fields() if field.startswith(("exif-", "xmp-", "iptc-"))]
    check(not private, f"a result carries {', '.join(private)}")


def _single(content: bytes) -> pyvips.Image:
    return pyvips.Image.new_from_buffer(content, "", fail_on="warning")
