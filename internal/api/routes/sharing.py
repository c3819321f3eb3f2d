"""Sharing: whom an image's pictures are shown to besides its owner, by visibility or by signed links."""

import time
from datetime import UTC, datetime
from urllib.parse import urlencode

import msgspec
from litestar import patch, post
from litestar.openapi.spec import Tag
from msgspec import UNSET

from internal.api.openapi import examples
from internal.api.openapi.describe import Answer, JsonBody, describe
from internal.api.requests.identity import owner_of
from internal.api.requests.preconditions import precondition_check
from internal.api.requests.request import ImageId, image_id_of, json_of, state_of
from internal.api.schemas import ImageBody, ImageChange, LinkBody, NewLink, image_body, image_path
from internal.domain.errors import (
    DatabaseUnavailable,
    InvalidRequest,
    LinksDisabled,
    NotFound,
    PayloadTooLarge,
    PreconditionFailed,
)
from internal.domain.identity import Scope
from internal.http.asgi import ApiRequest
from internal.identity.links import LinkGrant
from internal.intake.metadata import read_metadata
from internal.library.changes import change_image
from internal.library.lookup import find_image_or_upload, linked_rendition

SHARING = Tag("Sharing", "Who else may see a picture: anybody, or who has a link.")

MAX_CHANGE_BYTES = 2**20
"""Of the body of a change, before its metadata are held against MAX_METADATA_BYTES."""

MAX_LINK_BYTES = 2**12

ORIGINAL = "original"
"""What a link to the upload itself calls it, in place of a rendition's name."""

AMBIGUOUS = (
    "`original` means the upload itself, and this image has a rendition of that name too. Ask for the same rendition under "
    "another name, and make a link to that one."
)


@patch(
    "/images/{image_id:str}",
    request_max_body_size=MAX_CHANGE_BYTES,
    **describe(
        SHARING,
        "Change an image",
        scope=Scope.WRITE,
        body=JsonBody(ImageChange, examples.changes),
        answers={200: Answer("The image as it is now.", examples=examples.changed)},
        errors=(NotFound, PreconditionFailed, PayloadTooLarge, DatabaseUnavailable),
        headers=("If-Match", "If-Unmodified-Since"),
    ),
)
async def change(request: ApiRequest, image_id: ImageId) -> ImageBody:
    """Sets the visibility, the metadata, or both. The same again changes nothing. A pending image is changed as any other.

    `public`: anybody may GET the image's renditions by its id, without a credential. The original, the status and the list stay
    the owner's. Made private again, caches may show a rendition for as long as its Cache-Control allowed.
    """
    state, owner, wanted = state_of(request), owner_of(request), image_id_of(image_id)
    asked = await json_of(request, ImageChange)
    visibility = None if asked.visibility is UNSET else asked.visibility
    metadata = None if asked.metadata is UNSET else _metadata(asked.metadata, state.policy.max_metadata_bytes)
    if visibility is None and metadata is None:
        raise InvalidRequest("The body changes nothing: send `visibility`, `metadata`, or both.")
    check = precondition_check(request)
    found = await change_image(state.repository, owner, wanted, visibility=visibility, metadata=metadata, check=check)
    return image_body(found, state.grammar)


def _metadata(raw: msgspec.Raw, max_bytes: int) -> str:
    """The metadata as they are stored, by the rules of an upload. Raises InvalidRequest and PayloadTooLarge."""
    if len(written := bytes(raw)) > max_bytes:
        raise PayloadTooLarge(f"The `metadata` have more than {max_bytes} bytes.")
    try:
        return read_metadata(written.decode("utf-8")).text
    except UnicodeDecodeError as error:
        raise InvalidRequest("The `metadata` are not UTF-8 text.") from error


@post(
    "/images/{image_id:str}/links",
    status_code=201,
    request_max_body_size=MAX_LINK_BYTES,
    **describe(
        SHARING,
        "Make a signed link",
        scope=Scope.READ,
        body=JsonBody(NewLink, examples.new_links),
        answers={201: Answer("The link.", examples=examples.link)},
        errors=(NotFound, LinksDisabled, PayloadTooLarge, DatabaseUnavailable),
    ),
)
async def new_link(request: ApiRequest, image_id: ImageId) -> LinkBody:
    """A link to one rendition, or to the original, for who has no credential. Who may read may share: it needs `images:read`.

    GET and HEAD of the link work as with a credential: ranges, conditions, `Prefer: wait=N`. Nothing can be added to it or taken
    from it. It ends when it expires, when its key is removed from LINK_KEYS, and with the image or the rendition, which then is a
    404. It does not end with the credential that it was made with.
    """
    state, owner, wanted = state_of(request), owner_of(request), image_id_of(image_id)
    asked = await json_of(request, NewLink)
    longest = state.settings.links.max_seconds
    if asked.expires_in > longest:
        raise InvalidRequest(f"`expires_in`: a link lives at most {longest} seconds.")
    found = await find_image_or_upload(state.repository, owner, wanted)
    path = image_path(found.id)
    if asked.rendition == ORIGINAL:
        if found.rendition(ORIGINAL) is not None:  # who means this one must not give away the upload
            raise InvalidRequest(AMBIGUOUS)
        path, rendition = f"{path}/original", None
    else:
        rendition = linked_rendition(found, asked.rendition)
    expires = int(time.time()) + asked.expires_in
    grant = LinkGrant(path, rendition, asked.disposition, str(expires), state.links.kid)
    query = {
        "rendition": grant.rendition,
        "disposition": grant.disposition,
        "expires": grant.expires,
        "kid": grant.kid,
        "sig": state.links.sign(grant),
    }
    shown = urlencode({name: value for name, value in query.items() if value is not None})
    base = state.settings.server.public_url.rstrip("/")
    return LinkBody(f"{base}{grant.path}?{shown}", datetime.fromtimestamp(expires, UTC))
