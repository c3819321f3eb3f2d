"""Metadata that a result keeps when `keep` asks for it: the colour profile and the copyright. Nothing else is ever kept."""

import pyvips
from msgspec import Struct

from internal.pipeline.containers.exif import copyright_exif, copyright_exif_of_tiff
from internal.pipeline.vips.loaders.source import Source
from internal.pipeline.vips.picture import Picture
from internal.pipeline.vips.pixels import Pixels
from internal.pipeline.vips.profiles import PROFILE, profile_fits, usable_profile

_EXIF = "exif-data"
_COPYRIGHT = (_EXIF, "exif-ifd0-Artist", "exif-ifd0-Copyright")
_ANIMATION = frozenset({"page-height", "n-pages", "delay", "loop"})


class ResultMetadata(Struct, frozen=True):
    """Metadata of a result. `profile` is the ICC profile of the picture's pixels; `exif` is written by us, see exif.py."""

    profile: bytes | None = None
    exif: bytes | None = None


def select_metadata(source: Source, picture: Picture, names: frozenset[str]) -> ResultMetadata:
    """The metadata that `names` asks for. `picture` was loaded from `source`."""
    return ResultMetadata(
        profile=usable_profile(picture.pixels) if "icc" in names else None,
        exif=_copyright(source) if "copyright" in names else None,
    )


def attach_metadata(pixels: Pixels, metadata: ResultMetadata) -> tuple[Pixels, str]:
    """`pixels` with this metadata and no other, and the value of the savers' option `keep`.

    The profile is dropped if the chain has changed the kind of colours, for example from colour to grey.
    """
    profile = metadata.profile if metadata.profile and profile_fits(metadata.profile, pixels) else None
    if profile is None and metadata.exif is None:
        return pixels, "none"
    bare = pixels.copy()
    for name in set(bare.get_fields()) - _ANIMATION:
        if bare.get_typeof(name):
            bare.remove(name)
    if profile:
        bare.set_type(pyvips.GValue.blob_type, PROFILE, profile)
    if metadata.exif:
        for name, value in _as_libvips_fields(metadata.exif).items():
            bare.set_type(pyvips.GValue.blob_type if name == _EXIF else pyvips.GValue.gstr_type, name, value)
    return bare, ",".join(word for word, there in (("icc", profile), ("exif", metadata.exif)) if there)


def _copyright(source: Source) -> bytes | None:
    if source.media_type == "image/tiff":
        with source.path.open("rb") as file:
            return copyright_exif_of_tiff(file)
    return copyright_exif(bytes(source.pixels.get(_EXIF))) if source.pixels.get_typeof(_EXIF) else None


def _as_libvips_fields(exif: bytes) -> dict[str, bytes | str]:
    """EXIF as libvips fields. libvips writes the texts unchanged only if the EXIF block and the fields agree.

    libvips parses EXIF only inside a file, so we give it the smallest JPEG.
    """
    picture = bytes(pyvips.Image.black(1, 1).jpegsave_buffer(keep="none"))
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    read = pyvips.Image.jpegload_buffer(picture[:2] + segment + picture[2:])
    return {name: read.get(name) for name in _COPYRIGHT if read.get_typeof(name)}
