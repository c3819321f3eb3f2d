"""Selection of the TIFF page to show: the first full picture that is neither a reduced version of another nor a mask.

Scanners and camera software write a preview first (NewSubfileType 1, TIFF 6.0) and the picture itself into the next directory, or
into a sub-directory (SubIFDs, TIFF Technical Note 1). Pure Python, bounded: no directory is read twice, and at most
MAX_DIRECTORIES are read.
"""

from collections.abc import Iterator

from internal.domain.errors import InvalidImage
from internal.pipeline.containers.tiff_fields import Directory, OutOfReach, TiffFile

MAX_DIRECTORIES = 256
"""Directories read while looking for a full picture. Programs write the picture next to its preview."""
_MAX_FIELDS = 256
_NEW_SUBFILE_TYPE, _SUBFILE_TYPE, _WIDTH, _PHOTOMETRIC, _SUBDIRECTORIES = 254, 255, 256, 262, 330
_REDUCED, _MASK = 1, 4
"""Bits of NewSubfileType."""
_OLD_REDUCED = 2
"""Value of SubfileType, which TIFF 5.0 deprecated."""
_MASK_OF_TRANSPARENCY = 4
"""Value of PhotometricInterpretation."""


def main_directory(tiff: TiffFile) -> int:
    """Offset of the directory to show: the first full picture. Sub-directories come before the next directory.

    If all are reduced versions, it is the first of these. Raises InvalidImage for a file with masks only, or with too many
    directories before a full picture; OutOfReach if a directory that may be the one can't be read.
    """
    small, missing = None, False
    for at, directory in _directories(tiff):
        if directory is None:
            missing = True
        elif is_full(tiff, directory):
            return at
        elif small is None and not _kind(tiff, directory) & _MASK:
            small = at
    if missing:
        raise OutOfReach
    if small is None:
        raise InvalidImage("The TIFF file holds no picture: its directories are transparency masks, or empty.")
    return small


def is_full(tiff: TiffFile, directory: Directory) -> bool:
    """True if the directory holds a full picture, which is shown if it comes first."""
    return not _kind(tiff, directory) & (_REDUCED | _MASK)


def _kind(tiff: TiffFile, directory: Directory) -> int:
    """The relevant bits of NewSubfileType. A directory without pixels counts as a mask."""
    try:
        kind = tiff.number(directory, _NEW_SUBFILE_TYPE)
        if kind is None:
            kind = _REDUCED if tiff.number(directory, _SUBFILE_TYPE) == _OLD_REDUCED else 0
        is_mask = tiff.number(directory, _PHOTOMETRIC) == _MASK_OF_TRANSPARENCY or _WIDTH not in directory.fields
    except OutOfReach:
        return _MASK
    return kind | _MASK if is_mask else kind


def _directories(tiff: TiffFile) -> Iterator[tuple[int, Directory | None]]:
    """Each directory once, with its offset; None for one that can't be read."""
    seen: set[int] = set()
    waiting = [tiff.first]
    while waiting:
        at = waiting.pop()
        if at in seen or at == 0:
            continue
        if len(seen) == MAX_DIRECTORIES:
            raise InvalidImage("The TIFF file has too many previews and masks before its picture.")
        seen.add(at)
        try:
            directory = tiff.directory(at, max_fields=_MAX_FIELDS)
        except OutOfReach:
            yield at, None
            continue
        yield at, directory
        waiting.append(directory.next)
        waiting += reversed(_subdirectories(tiff, directory))


def _subdirectories(tiff: TiffFile, directory: Directory) -> tuple[int, ...]:
    try:
        return tiff.places(directory, _SUBDIRECTORIES, most=MAX_DIRECTORIES)
    except (OutOfReach, ValueError):
        return ()
