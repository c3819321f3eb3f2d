"""A child's own folder: `given` holds what it may read, `made` is the one place where it may write.

Pictures are laid in by a hard link, which costs nothing; between file systems by a copy. So the child needs to see no other
folder, and no picture but its own. What it has made is looked at with suspicion, then taken out.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from msgspec.structs import replace

from internal.domain.errors import DecoderFailed, ScratchUnavailable, StartRefused
from internal.ports.sandbox import Rendered, RenderJob
from internal.runtime.regular_file import open_regular

_BLOCK = 2**20
MOST_FILES = 64
"""A healthy child leaves a handful in its folder: results, and copies of originals when it was stopped in the middle."""
_NOT_MADE = "The decoder did not make what it said."


class JobDirectory:
    """`folder` is the child's alone, who runs as `user`. `remove` it at the end.

    The child is told of its files by paths that are relative to `made`: the folders above are closed to another user.
    """

    def __init__(self, folder: Path, user: int) -> None:
        self.folder, self._user = folder, user
        self.given, self.made, self.stderr = folder / "given", folder / "made", folder / "stderr"

    def set_up(self) -> None:
        for place in (self.folder, self.given, self.made):
            place.mkdir(mode=0o700, parents=True)
        if self._user != os.geteuid():  # it may pass through to what it is given, and owns the one folder where it may write
            for place in (self.folder, self.given):
                place.chmod(0o711)
            try:
                os.chown(self.made, self._user, self._user)
            except PermissionError as error:  # root without CAP_CHOWN, as in a container that has no capability at all
                raise StartRefused("Root may not give a decoder its folder here: let the worker run as another user.") from error

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
                source=self._lay(job.source, "source"),
                target=Path("result"),
                alternative=Path("alternative") if job.alternative else None,
                overlays={name: replace(one, path=self._lay(one.path, f"overlay-{at}")) for at, (name, one) in overlays},
            )

    def deliver(self, job: RenderJob, rendered: Rendered) -> None:
        """Move what was made to where the job wants it: all of it or nothing.

        Raises DecoderFailed when that is not what the child says it is: it may be in a stranger's hands. ScratchUnavailable.
        """
        pairs = [(self.made / "result", job.target, rendered.result)]
        if job.alternative and rendered.alternative:
            pairs.append((self.made / "alternative", job.alternative, rendered.alternative))
        try:
            for made, target, encoded in pairs:
                _take(made, target, encoded.size, self._user)
        except (DecoderFailed, ScratchUnavailable):
            for _, target, _ in pairs:
                target.unlink(missing_ok=True)
            raise

    def _lay(self, file: Path, name: str) -> Path:
        """Returns its path as the child sees it."""
        place = self.given / name
        try:
            os.link(file, place)
        except OSError:  # another file system, or one without links
            shutil.copyfile(file, place)
        if self._user != os.geteuid():
            place.chmod(0o644)
        return Path("../given", name)

    def clear(self) -> None:
        """Leave nothing of the last picture. Raises OSError when the child has seen to it that this can't be done.

        A child that has filled its folder does not keep the worker busy here: `remove` has the time for it.
        """
        for place in (self.given, self.made):
            with os.scandir(place) as entries:
                left = list(islice(entries, MOST_FILES + 1))
            if len(left) > MOST_FILES:
                raise OSError(f"more than {MOST_FILES} files")
            for file in left:
                Path(file).unlink()


def _take(made: Path, target: Path, size: int, user: int) -> None:
    """Raises DecoderFailed unless `made` is a plain file of the child's own, with no other name, of `size` bytes.

    Who reads it later reads `size` bytes and no more: the child may still have it open.
    """
    try:
        file = open_regular(made)
    except OSError as error:  # not there, no file, or in a folder that the child has closed
        raise DecoderFailed(_NOT_MADE) from error
    with file:
        state = os.fstat(file.fileno())
        if (state.st_size, state.st_nlink, state.st_uid) != (size, 1, user):
            raise DecoderFailed(_NOT_MADE)
        with _room():
            try:
                made.replace(target)
            except OSError:  # another file system
                _copy(file, target, size)


def _copy(file: BinaryIO, target: Path, size: int) -> None:
    with target.open("wb") as copy:
        while size and (block := file.read(min(size, _BLOCK))):
            size -= copy.write(block)


@contextmanager
def _room() -> Iterator[None]:
    """A folder that is full or gone is an outage of ours and no fault of the picture's."""
    try:
        yield
    except OSError as error:
        raise ScratchUnavailable from error
