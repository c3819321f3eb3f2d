"""An upload's form, read as a stream: the picture's bytes are handed on as they come, the other parts are small and capped.

RFC 7578. The parts may come in any order; the picture is never whole in memory.
"""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
from litestar.exceptions import InternalServerException
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from internal.errors import ClientGone, InvalidRequest, PayloadTooLarge
from internal.images.requested import Requested

IMAGE, PROCESSING, RENDITIONS, METADATA = "image", "processing", "renditions", "metadata"
MAX_PARTS = 64
MAX_TEXT_BYTES = 64 * 1024
MAX_FILENAME = 255
MAX_METADATA_DEPTH = 100
"""What is taken must be written again, by the database and in answers, and their ways to write JSON end somewhere."""


class Form:
    """One upload that is still on its way: `internal.images.requested.Incoming`."""

    def __init__(self, body: AsyncIterator[bytes], content_type: str, *, max_metadata_bytes: int) -> None:
        """Raises InvalidRequest when the content type is not a form's."""
        kind, options = parse_options_header(content_type)
        if kind != "multipart/form-data" or not options.get("boundary"):
            raise InvalidRequest("Send the picture as multipart/form-data, in a part named `image`.")
        self._body = body
        self._caps = {PROCESSING: MAX_TEXT_BYTES, RENDITIONS: MAX_TEXT_BYTES, METADATA: max_metadata_bytes}
        self._parser = PushMultipartParser(options["boundary"], max_segment_count=MAX_PARTS)
        self._texts: dict[str, list[str]] = {}
        self._filename: str | None = None
        self._has_image = False

    async def content(self) -> AsyncIterator[bytes]:
        part: MultipartSegment | None = None
        text = bytearray()
        async for event in self._events():
            if isinstance(event, MultipartSegment):
                part = self._begin(event)
                text.clear()
            elif event is None:
                if part is not None and part.name != IMAGE:
                    self._keep_text(part.name, bytes(text))
            elif part is not None and part.name == IMAGE:
                yield bytes(event)
            elif part is not None:
                text += event
                if len(text) > self._caps[part.name]:
                    raise PayloadTooLarge(f"The part `{part.name}` has more than {self._caps[part.name]} bytes.")
        if not self._has_image:
            raise InvalidRequest("The part `image` is missing: send the picture in it.")
        self.requested()

    async def _events(self) -> AsyncIterator[Any]:
        """The parser's events. Raises InvalidRequest for what is not a form, ClientGone when the client hangs up."""
        try:
            async for chunk in self._body:
                if chunk:
                    for event in self._parser.parse(chunk):
                        yield event
            self._parser.close()
        except MultipartError as error:
            raise InvalidRequest(f"The body is not a complete multipart form: {error}.") from error
        except InternalServerException as error:  # what the framework raises for a hang-up
            raise ClientGone from error

    def _begin(self, part: MultipartSegment) -> MultipartSegment:
        name = part.name
        if name == IMAGE:
            if self._has_image:
                raise InvalidRequest("The part `image` came twice: send one picture an upload.")
            self._has_image = True
            self._filename = _clean(part.filename)
        elif name not in self._caps:
            known = ", ".join([IMAGE, *self._caps])
            raise InvalidRequest(f"There is no part `{_clean(name) or ''}`. An upload has: {known}.")
        elif name in self._texts and name != PROCESSING:
            raise InvalidRequest(f"The part `{name}` came twice.")
        return part

    def _keep_text(self, name: str, raw: bytes) -> None:
        try:
            self._texts.setdefault(name, []).append(raw.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise InvalidRequest(f"The part `{name}` is not UTF-8 text.") from error

    def requested(self) -> Requested:
        """What the form asks for. Raises InvalidRequest for JSON that is not what it should be."""
        processing = self._texts.get(PROCESSING)
        metadata = self._json(METADATA, dict[str, Any], "a JSON object") or {}
        _check_metadata(metadata)
        return Requested(
            filename=self._filename,
            processing="|".join(processing) if processing else None,
            renditions=self._json(RENDITIONS, dict[str, str], "a JSON object of names and chains"),
            metadata=metadata,
        )

    def _json(self, name: str, kind: Any, expected: str) -> Any:
        texts = self._texts.get(name)
        if not texts:
            return None
        try:
            return msgspec.json.decode(texts[0], type=kind)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise InvalidRequest(f"The part `{name}` is not {expected}: {error}.") from error


def _check_metadata(metadata: dict[str, Any]) -> None:
    """Raises InvalidRequest for what can't be kept: too deep a nest, and U+0000, which PostgreSQL's texts can't hold.

    It goes level by level, so that no depth is too much for the check itself.
    """
    level: list[Any] = [metadata]
    for _ in range(MAX_METADATA_DEPTH + 1):
        if any(isinstance(value, str) and "\0" in value for value in level):
            raise InvalidRequest(f"The part `{METADATA}` holds the character U+0000, which can't be kept.")
        level = [inner for value in level for inner in _inner(value)]
        if not level:
            return
    raise InvalidRequest(f"The part `{METADATA}` is nested deeper than {MAX_METADATA_DEPTH} levels.")


def _inner(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value, *value.values()]
    return value if isinstance(value, list) else []


def _clean(name: str | None) -> str | None:
    """A client's file name, fit to be shown and offered for downloads: no path, no control characters, not too long."""
    if not name:
        return None
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(letter for letter in last if letter.isprintable())[:MAX_FILENAME] or None
