"""A child's own folder: `given` holds what it may read, `made` is the one place where it may write.

Pictures are laid in by a hard link, which costs nothing; between file systems by a copy. So the child needs to see no other
folder, and no picture but its own. What it has made is looked at with suspicion, then taken out.
"""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec.structs import replace

from internal.errors import DecoderFailed, ScratchUnavailable
from internal.pipeline.formats import FORMATS
from internal.sandbox.port import Encoded, Rendered, RenderJob

_MEDIA_TYPES = frozenset(known.media_type for known in FORMATS.values())


class Desk:
    """`folder` is the child's alone. `remove` it at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.given, self.made, self.stderr = folder / "given", folder / "made", folder / "stderr"

    def set_up(self) -> None:
        for place in (self.folder, self.given, self.made):
            place.mkdir(parents=True)

    def remove(self) -> None:
        for place in (self.given, self.made):
            with suppress(OSError):
                place.chmod(0o700)  # whatever the child made of it
        shutil.rmtree(self.folder, ignore_errors=True)

    def lay_out(self, job: RenderJob) -> RenderJob:
        """The same job on files of this folder. Raises ScratchUnavailable when there is no room for them."""
        overlays = enumerate(job.overlays.items())
        with _room():
            return replace(
                job,
                source=_lay(job.source, self.given / "source"),
                target=self.made / "result",
                alternative=self.made / "alternative" if job.alternative else None,
                overlays={name: replace(one, path=_lay(one.path, self.given / f"overlay-{at}")) for at, (name, one) in overlays},
            )

    def deliver(self, job: RenderJob, rendered: Rendered) -> None:
        """Move what was made to where the job wants it: all of it or nothing.

        Raises DecoderFailed when that is not what the child says it is: it may be in a stranger's hands. ScratchUnavailable.
        """
        pairs = [(self.made / "result", job.target, rendered.result)]
        if job.alternative and rendered.alternative:
            pairs.append((self.made / "alternative", job.alternative, rendered.alternative))
        if not all(_is_as_told(made, encoded) for made, _, encoded in pairs):
            raise DecoderFailed("The decoder did not make what it said.")
        try:
            with _room():
                for made, target, _ in pairs:
                    _take(made, target)
        except ScratchUnavailable:
            for _, target, _ in pairs:
                target.unlink(missing_ok=True)
            raise

    def clear(self) -> None:
        """Leave nothing of the last picture. Raises OSError when the child has seen to it that this can't be done."""
        for place in (self.given, self.made):
            for left in place.iterdir():
                shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()


def _lay(file: Path, place: Path) -> Path:
    try:
        os.link(file, place)
    except OSError:  # another file system, or one without links
        shutil.copyfile(file, place)
    return place


def _take(made: Path, target: Path) -> None:
    try:
        made.replace(target)
    except OSError:  # another file system
        shutil.move(made, target)


def _is_as_told(made: Path, encoded: Encoded) -> bool:
    try:
        state = made.lstat()
    except OSError:  # not there, or in a folder that the child has closed
        return False
    return stat.S_ISREG(state.st_mode) and state.st_size == encoded.size and encoded.content_type in _MEDIA_TYPES


@contextmanager
def _room() -> Iterator[None]:
    """A folder that is full or gone is an outage of ours and no fault of the picture's."""
    try:
        yield
    except OSError as error:
        raise ScratchUnavailable from error
