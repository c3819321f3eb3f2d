"""What goes along with a result's pixels when `keep` asks for it: a colour profile, the owner's name. Nothing else ever does."""

import pyvips
from msgspec import Struct

from internal.pipeline.containers.exif import ownership, ownership_in
from internal.pipeline.vips.loaders.source import Source
from internal.pipeline.vips.picture import Picture, Pixels
from internal.pipeline.vips.profiles import PROFILE, fits, profile_of

_EXIF = "exif-data"
_OWNERSHIP = (_EXIF, "exif-ifd0-Artist", "exif-ifd0-Copyright")
_ANIMATION = frozenset({"page-height", "n-pages", "delay", "loop"})


class Kept(Struct, frozen=True):
    """`profile` is the ICC profile that the picture's pixels are in; `exif` a structure made by us, see exif.py."""

    profile: bytes | None = None
    exif: bytes | None = None


def kept_of(source: Source, picture: Picture, names: frozenset[str]) -> Kept:
    """What `names` asks for, `picture` being what was loaded of `source`."""
    return Kept(
        profile=profile_of(picture.pixels) if "icc" in names else None,
        exif=_ownership(source) if "copyright" in names else None,
    )


def with_kept(pixels: Pixels, kept: Kept) -> tuple[Pixels, str]:
    """`pixels` with that and no other metadata, and the word for it that a saver understands.

    A profile is left out when the chain has made colours of another kind: grey ones of a colour picture, say.
    """
    profile = kept.profile if kept.profile and fits(kept.profile, pixels) else None
    if profile is None and kept.exif is None:
        return pixels, "none"
    bare = pixels.copy()
    for name in set(bare.get_fields()) - _ANIMATION:
        if bare.get_typeof(name):
            bare.remove(name)
    if profile:
        bare.set_type(pyvips.GValue.blob_type, PROFILE, profile)
    if kept.exif:
        for name, value in _understood(kept.exif).items():
            bare.set_type(pyvips.GValue.blob_type if name == _EXIF else pyvips.GValue.gstr_type, name, value)
    return bare, ",".join(word for word, there in (("icc", profile), ("exif", kept.exif)) if there)


def _ownership(source: Source) -> bytes | None:
    if source.media_type == "image/tiff":
        with source.path.open("rb") as file:
            return ownership_in(file)
    return ownership(bytes(source.pixels.get(_EXIF))) if source.pixels.get_typeof(_EXIF) else None


def _understood(exif: bytes) -> dict[str, bytes | str]:
    """EXIF as the fields by which libvips knows it; it writes the texts as they are only where both say the same.

    It reads EXIF as a part of a file only, so that it is given the smallest one.
    """
    picture = bytes(pyvips.Image.black(1, 1).jpegsave_buffer(keep="none"))
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    read = pyvips.Image.jpegload_buffer(picture[:2] + segment + picture[2:])
    return {name: read.get(name) for name in _OWNERSHIP if read.get_typeof(name)}
