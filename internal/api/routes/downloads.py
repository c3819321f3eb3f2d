"""Binaries: a rendition's result, and the original as it was uploaded."""

from litestar import HttpMethod, route
from litestar.params import FromPath, FromQuery
from litestar.response.base import ASGIResponse

from internal.api.requests.negotiation import preferred
from internal.api.requests.request import image_id_of, owner_of, state_of, wait_of
from internal.api.responses.download import Download, send
from internal.http.asgi import ApiRequest
from internal.library.lookup import choose_rendition, find_image, result_of, wait_for_rendition

GET_AND_HEAD = [HttpMethod.GET, HttpMethod.HEAD]


@route("/images/{image_id:str}", http_method=GET_AND_HEAD, status_code=200)
async def rendition_bytes(request: ApiRequest, image_id: FromPath[str], rendition: FromQuery[str | None] = None) -> ASGIResponse:
    """The processed picture, in the file that `Accept` prefers; `Prefer: wait=N` waits for one that is still in work."""
    state, owner, wanted = state_of(request), owner_of(request), image_id_of(image_id)
    repository = state.repository
    if seconds := wait_of(request):
        image, chosen = await wait_for_rendition(
            repository, state.signals, state.shutdown_event, owner, wanted, rendition, seconds
        )
    else:
        image = await find_image(repository, owner, wanted)
        chosen = choose_rendition(image, rendition)
    result = preferred(chosen, result_of(chosen), ",".join(request.headers.getall("accept", [])))
    stem = f"{_stem(image.original.filename, image_id)}-{chosen.name}"
    made = chosen.finished_at or image.created_at
    varies = bool(chosen.alternatives)
    download = Download(image.id, result.key, result.sha256, result.size, result.content_type, made, stem, varies)
    return await _sent(request, download)


@route("/images/{image_id:str}/original", http_method=GET_AND_HEAD, status_code=200)
async def original_bytes(request: ApiRequest, image_id: FromPath[str]) -> ASGIResponse:
    """The picture exactly as it was uploaded."""
    image = await find_image(state_of(request).repository, owner_of(request), image_id_of(image_id))
    original = image.original
    stem = _stem(original.filename, image_id)
    download = Download(image.id, original.key, original.sha256, original.size, original.media_type, image.created_at, stem)
    return await _sent(request, download)


async def _sent(request: ApiRequest, download: Download) -> ASGIResponse:
    state = state_of(request)
    return await send(request, download, state.store, state.repository, state.settings.server.cache_control)


def _stem(filename: str | None, image_id: str) -> str:
    return (filename or image_id).rpartition(".")[0] or filename or image_id
