"""A file that a decoder wrote, on its way into the store."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

from internal.domain.errors import DecoderFailed, ScratchUnavailable
from internal.runtime.regular_file import open_regular

CHUNK_BYTES = 2**20


class OutputFile:
    """A file that the decoder reports, of `size` bytes. It is read once, and hashed while it is read.

    INVARIANT: the row has the size and the hash of what was stored, whatever the decoder reports or does meanwhile
    (tests/integration/test_lying_child.py::test_the_row_carries_the_hash_of_what_was_stored).
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path, self._size = path, size
        self._digest = hashlib.sha256()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Exactly `size` bytes of one open file. Raises DecoderFailed if it is missing or shorter; ScratchUnavailable."""
        try:
            file = open_regular(self._path)
        except OSError as error:
            raise DecoderFailed("The decoder did not write the file that it reported.") from error
        left = self._size
        with file:
            while left:
                try:
                    chunk = file.read(min(left, CHUNK_BYTES))  # from memory: it does not block
                except OSError as error:
                    raise ScratchUnavailable from error
                if not chunk:
                    raise DecoderFailed("The decoder's file is shorter than it reported.")
                left -= len(chunk)
                self._digest.update(chunk)
                yield chunk

    @property
    def sha256(self) -> str:
        """The SHA-256 of what `chunks` has yielded, in hexadecimal."""
        return self._digest.hexdigest()
