"""A decoder's result on its way into the store."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

from internal.domain.errors import DecoderFailed, ScratchUnavailable
from internal.runtime.regular_file import open_regular

CHUNK_BYTES = 2**20


class MadeFile:
    """A file that a decoder says it made, of `size` bytes. It is read once, and hashed while it is read.

    INVARIANT: the row carries the size and the hash of what was stored, whatever the decoder says or does meanwhile
    (tests/integration/test_lying_child.py::test_the_row_carries_the_hash_of_what_was_stored).
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path, self._size = path, size
        self._digest = hashlib.sha256()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Exactly `size` bytes from one open file. Raises DecoderFailed if it is shorter or no file, ScratchUnavailable."""
        try:
            file = open_regular(self._path)
        except OSError as error:
            raise DecoderFailed("The decoder did not make what it said.") from error
        left = self._size
        with file:
            while left:
                try:
                    chunk = file.read(min(left, CHUNK_BYTES))  # in memory, and so quick
                except OSError as error:
                    raise ScratchUnavailable from error
                if not chunk:
                    raise DecoderFailed("The decoder's result was cut short while it was stored.")
                left -= len(chunk)
                self._digest.update(chunk)
                yield chunk

    @property
    def sha256(self) -> str:
        """Of what `chunks` gave, in hexadecimal."""
        return self._digest.hexdigest()
