"""An upload's form, read as a stream: the picture's bytes are handed on as they come, the other parts are small and capped.

RFC 7578. The parts may come in any order; the picture is never whole in memory. A blank part (white space, or a file input
without a file) is as if it had not been sent.
"""

import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from litestar.exceptions import InternalServerException
from msgspec import Raw, Struct, field

from internal.api.forms.disposition import decoded, file_name, header_parameters
from internal.api.forms.multipart import MultipartError, MultipartReader, PartHead
from internal.api.requests.request import chain_text
from internal.domain.errors import ClientGone, InvalidRequest, PayloadTooLarge
from internal.intake.metadata import Metadata, read_metadata
from internal.intake.options import UploadOptions

IMAGE, PROCESSING, RENDITIONS, METADATA = "image", "processing", "renditions", "metadata"
IGNORED = ("_charset_", "name", "type")
"""Parts that browsers (HTML's form charset) and Uppy (the file's name and type) send beside the picture."""

MAX_PARTS = 64
MAX_TEXT_BYTES = 64 * 1024

PLAIN_ENCODINGS = ("", "7bit", "8bit", "binary")


class _Part(Struct):
    """A part that is being read. `text` stays empty for the picture, and for parts that must be blank."""

    name: str
    filename: str | None
    charset: str
    size: int = 0
    text: bytearray = field(default_factory=bytearray)


class Form:
    """One upload that is still on its way: `internal.intake.multipart.UploadForm`."""

    def __init__(self, body: AsyncIterator[bytes], content_type: str, *, max_metadata_bytes: int, least_bytes: int = 0) -> None:
        """Raises InvalidRequest when the content type is not a form's."""
        self.least_bytes = least_bytes
        kind, params = header_parameters(content_type)
        if kind != "multipart/form-data" or not params.get("boundary"):
            raise InvalidRequest("Send the picture as multipart/form-data, in a part named `image`.")
        try:
            self._reader = MultipartReader(params["boundary"])
        except MultipartError as error:
            raise _not_a_form(error) from error
        self._body = body
        self._caps = {PROCESSING: MAX_TEXT_BYTES, RENDITIONS: MAX_TEXT_BYTES, METADATA: max_metadata_bytes}
        self._caps |= dict.fromkeys(IGNORED, MAX_TEXT_BYTES)
        self._parts = 0
        self._texts: dict[str, list[str]] = {}
        self._filename: str | None = None
        self._has_image = False
        self._options = UploadOptions()

    async def content(self) -> AsyncIterator[bytes]:
        part: _Part | None = None
        async for event in self._events():
            if isinstance(event, PartHead):
                part = self._begin_part(event)
            elif part is None:
                continue
            elif event is None:
                self._end_part(part)
            else:
                part.size += len(event)
                if part.name != IMAGE:
                    self._append(part, event)
                elif self._has_image:
                    raise _duplicate_part(IMAGE)
                else:
                    yield event
        if not self._has_image:
            raise InvalidRequest("The part `image` is missing or empty: send the picture in it.")
        self._options = self._parse_options()

    def options(self) -> UploadOptions:
        return self._options

    async def _events(self) -> AsyncIterator[Any]:
        """The reader's events. Raises InvalidRequest for what is not a form, ClientGone when the client hangs up."""
        try:
            async for chunk in self._body:
                for event in self._reader.feed(chunk):
                    yield event
            self._reader.close()
        except MultipartError as error:
            raise _not_a_form(error) from error
        except InternalServerException as error:  # what the framework raises for a hang-up
            raise ClientGone from error

    def _begin_part(self, head: PartHead) -> _Part:
        self._parts += 1
        kind, params = header_parameters(head.headers.get("content-disposition", ""))
        if self._parts > MAX_PARTS or kind != "form-data":
            reason = f"it has more than {MAX_PARTS} parts" if self._parts > MAX_PARTS else "a part is no `form-data`"
            raise _not_a_form(MultipartError(reason))
        _, of_type = header_parameters(head.headers.get("content-type", ""))
        part = _Part(params.get("name", ""), file_name(params), of_type.get("charset", "utf-8"))
        encoding = head.headers.get("content-transfer-encoding", "").lower()
        if encoding not in PLAIN_ENCODINGS:
            raise InvalidRequest(
                f"The part `{_printable(part.name)}` is encoded as {_printable(encoding)}: send its bytes as they are."
            )
        return part

    def _append(self, part: _Part, data: bytes) -> None:
        """Keep a piece of a part that is not the picture."""
        cap = self._caps.get(part.name)
        if cap is None:
            if not data.isspace():
                known = ", ".join([IMAGE, PROCESSING, RENDITIONS, METADATA])
                raise InvalidRequest(f"There is no part `{_printable(part.name)}`. An upload has: {known}.")
        elif part.size > cap:
            raise self._too_long(part.name)
        elif part.name not in IGNORED:
            part.text += data

    def _too_long(self, name: str) -> PayloadTooLarge:
        return PayloadTooLarge(f"The part `{name}` has more than {self._caps[name]} bytes.")

    def _end_part(self, part: _Part) -> None:
        if part.name == IMAGE:
            if part.size == 0 and part.filename is None:
                return
            if self._has_image:
                raise _duplicate_part(IMAGE)
            self._has_image, self._filename = True, part.filename
        elif text := _text(part):
            if len(text.encode()) > self._caps[part.name]:  # of another charset than UTF-8
                raise self._too_long(part.name)
            texts = self._texts.setdefault(part.name, [])
            if texts and part.name != PROCESSING:
                raise _duplicate_part(part.name)
            texts.append(text)

    def _parse_options(self) -> UploadOptions:
        """The form's options. Raises InvalidRequest for JSON that is not what it should be."""
        processing, renditions, metadata = (self._texts.get(name, []) for name in (PROCESSING, RENDITIONS, METADATA))
        if len(processing) > 1 and any(text.lstrip().startswith("[") for text in processing):
            raise InvalidRequest(f"The part `{PROCESSING}` came more than once, as a JSON list: send one list with all of it.")
        return UploadOptions(
            filename=self._filename,
            processing="|".join(processing) if processing else None,
            renditions=_parse_renditions(renditions[0]) if renditions else None,
            metadata=read_metadata(metadata[0]) if metadata else Metadata(),
        )


def _parse_renditions(text: str) -> dict[str, str] | None:
    """The part `renditions`: names and chains. Raises InvalidRequest for JSON that is something else, or has a name twice."""
    try:
        chains = msgspec.json.decode(text, type=dict[str, Raw] | None)
        names = [name for name, _ in json.loads(text, object_pairs_hook=list, parse_int=str) or ()]
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"The part `{RENDITIONS}` is not a JSON object of names and chains: {error}.") from error
    if twice := next((name for name, times in Counter(names).items() if times > 1), None):
        raise InvalidRequest(f"The part `{RENDITIONS}` has the name {twice[:64]!r} twice.")
    return {name: chain_text(chain, f"`renditions`: {name[:64]!r}") for name, chain in chains.items()} if chains else None


def _text(part: _Part) -> str:
    """A part's text, empty if it is blank. Raises InvalidRequest for bytes that are not of its charset."""
    try:
        text = decoded(bytes(part.text), part.charset)
    except (LookupError, UnicodeError) as error:
        raise InvalidRequest(f"The part `{part.name}` is not {_printable(part.charset).upper()} text.") from error
    return text if text.strip() else ""


def _not_a_form(error: MultipartError) -> InvalidRequest:
    return InvalidRequest(f"The body is not a complete multipart form: {error}.")


def _duplicate_part(name: str) -> InvalidRequest:
    more = ": send one picture an upload" if name == IMAGE else ""
    return InvalidRequest(f"The part `{name}` came twice{more}.")


def _printable(text: str) -> str:
    """A client's word, fit for a message: short, and nothing in it that can't be printed."""
    return "".join(sign for sign in text.encode("latin-1").decode("utf-8", "replace")[:64] if sign.isprintable())
