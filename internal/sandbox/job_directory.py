"""Folder of one child: it may read `input` and write `output`, and nothing else.

Input pictures are hard links, which cost nothing; between file systems they are copies. So the child sees no other folder and no
other picture. Its output is checked before it is moved out.
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
MAX_FILES = 64
"""A healthy child leaves a few files: results, and copies of originals if it was interrupted."""
_WRONG_FILE = "The decoder did not write the file that it reported."


class JobDirectory:
    """The folder of one child, which runs as `user`. Call `remove` at the end.

    The child gets paths relative to `output`, because another user can't enter the folders above.
    """

    def __init__(self, folder: Path, user: int) -> None:
        self.folder, self._user = folder, user
        self.input, self.output, self.stderr = folder / "input", folder / "output", folder / "stderr"

    def set_up(self) -> None:
        for place in (self.folder, self.input, self.output):
            place.mkdir(mode=0o700, parents=True)
        if self._user != os.geteuid():  # the child may pass through to its input, and owns its output
            for place in (self.folder, self.input):
                place.chmod(0o711)
            try:
                os.chown(self.output, self._user, self._user)
            except PermissionError as error:  # root without CAP_CHOWN, as in a container without capabilities
                raise StartRefused("Root can't change the owner of a folder here. Run the worker as another user.") from error

    def remove(self) -> None:
        for place in (self.input, self.output):
            with suppress(OSError):
                place.chmod(0o700)  # the child may have changed the mode
        shutil.rmtree(self.folder, ignore_errors=True)

    def stage(self, job: RenderJob) -> RenderJob:
        """Place the job's files in this folder, and return the job with the new paths. Raises ScratchUnavailable."""
        overlays = enumerate(job.overlays.items())
        with _scratch_errors():
            return replace(
                job,
                source=self._stage_file(job.source, "source"),
                target=Path("result"),
                alternative=Path("alternative") if job.alternative else None,
                overlays={name: replace(one, path=self._stage_file(one.path, f"overlay-{at}")) for at, (name, one) in overlays},
            )

    def collect(self, job: RenderJob, rendered: Rendered) -> None:
        """Move the output files to the job's targets: all of them or none.

        Raises DecoderFailed if the files differ from the child's reply, because the child may be compromised. Raises
        ScratchUnavailable.
        """
        pairs = [(self.output / "result", job.target, rendered.result)]
        if job.alternative and rendered.alternative:
            pairs.append((self.output / "alternative", job.alternative, rendered.alternative))
        try:
            for output, target, encoded in pairs:
                _collect_file(output, target, encoded.size, self._user)
        except (DecoderFailed, ScratchUnavailable):
            for _, target, _ in pairs:
                target.unlink(missing_ok=True)
            raise

    def _stage_file(self, file: Path, name: str) -> Path:
        """Place a file in `input`, and return its path as the child sees it."""
        place = self.input / name
        try:
            os.link(file, place)
        except OSError:  # another file system, or one without links
            shutil.copyfile(file, place)
        if self._user != os.geteuid():
            place.chmod(0o644)
        return Path("../input", name)

    def clear(self) -> None:
        """Remove the files of the last picture. Raises OSError if the child prevents it.

        It does not delete an unlimited number of files, so that a malicious child can't delay the worker; `remove` does.
        """
        for place in (self.input, self.output):
            with os.scandir(place) as entries:
                left = list(islice(entries, MAX_FILES + 1))
            if len(left) > MAX_FILES:
                raise OSError(f"more than {MAX_FILES} files")
            for file in left:
                Path(file).unlink()


def _collect_file(output: Path, target: Path, size: int, user: int) -> None:
    """Move `output` to `target`. Raises DecoderFailed unless it is a regular file of the child, with one link and `size` bytes.

    Read only `size` bytes of it later: the child may still have it open.
    """
    try:
        file = open_regular(output)
    except OSError as error:  # missing, not a regular file, or in a folder that the child has closed
        raise DecoderFailed(_WRONG_FILE) from error
    with file:
        state = os.fstat(file.fileno())
        if (state.st_size, state.st_nlink, state.st_uid) != (size, 1, user):
            raise DecoderFailed(_WRONG_FILE)
        with _scratch_errors():
            try:
                output.replace(target)
            except OSError:  # another file system
                _copy(file, target, size)


def _copy(file: BinaryIO, target: Path, size: int) -> None:
    with target.open("wb") as copy:
        while size and (block := file.read(min(size, _BLOCK))):
            size -= copy.write(block)


@contextmanager
def _scratch_errors() -> Iterator[None]:
    """Translate errors of the scratch folder: if it is full or missing, the picture is not the cause."""
    try:
        yield
    except OSError as error:
        raise ScratchUnavailable from error
