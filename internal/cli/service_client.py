"""HTTP client of the service. Every failure becomes a CommandError with one sentence."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote
from uuid import uuid4

import httpx2

from internal.cli.errors import CommandError, ServiceProblem, Unanswered, Unreachable
from internal.cli.retry import retry_until_accepted, retry_until_ready
from internal.runtime.secret import NO_SECRET, Secret

IMAGES = "/api/v1/images"
FINAL = ("processed", "failed")
LONGEST_WAIT = 30.0
"""Longest wait of one request, in seconds."""


def image_path(image_id: str) -> str:
    """Return the path of an image. The id may be any text."""
    return f"{IMAGES}/{quote(image_id, safe='')}"


class ServiceClient:
    """Calls to one service, with retries for `retry_seconds` seconds while it is unavailable. Use it as a context manager.

    `key`: the API key or token that all calls send.
    """

    def __init__(self, address: str, key: Secret = NO_SECRET, *, timeout: float = 60.0, retry_seconds: float = 0.0) -> None:
        self.address = address.rstrip("/")
        self._retry_seconds = retry_seconds
        headers = {"authorization": f"Bearer {key.reveal()}"} if key else {}
        self._http = httpx2.Client(base_url=self.address, headers=headers, timeout=timeout, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def ready(self) -> bool:
        """True if a service answers and is ready."""
        try:
            return self._http.get("/health/ready").status_code == 200
        except httpx2.HTTPError:
            return False

    def upload(self, file: Path, fields: Mapping[str, str], *, idempotency_key: str | None = None) -> dict[str, Any]:
        """Upload a picture, read from the disk as it is sent, with the form's other `fields`. Retries create no second image."""
        headers = {"idempotency-key": idempotency_key or uuid4().hex}

        def send() -> dict[str, Any]:
            try:
                with file.open("rb") as content:
                    return self._json("POST", IMAGES, files={"image": (file.name, content)}, data=fields, headers=headers)
            except OSError as error:
                raise CommandError(f"{file}: {error.strerror}") from error

        return retry_until_accepted(send, seconds=self._retry_seconds, idempotent=True)

    def status(self, image_id: str) -> dict[str, Any]:
        return self._call_json("GET", f"{image_path(image_id)}/status")

    def wait_until_final(self, image_id: str, seconds: float) -> dict[str, Any]:
        """Return the status once the image is processed or failed, or its status after `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            image = self.status(image_id)
            left = deadline - time.monotonic()
            unfinished = [rendition for rendition in image["renditions"] if rendition["status"] not in FINAL]
            if not unfinished or left <= 0:
                return image
            # The response to HEAD comes when the rendition is final.
            wait = partial(self._call, "HEAD", unfinished[0]["url"], headers=_prefer(left))
            retry_until_accepted(wait, seconds=self._retry_seconds, idempotent=True)

    @contextmanager
    def download(self, path: str, *, wait: float = 0.0) -> Iterator[httpx2.Response]:
        """Stream a file, after waiting up to `wait` seconds until it exists."""
        with ExitStack() as stack:

            def begin(left: float) -> httpx2.Response:
                with _translated(self.address):
                    response = stack.enter_context(self._http.stream("GET", path, headers=_prefer(left)))
                    if response.is_error:
                        response.read()
                return _accepted(response)

            def take(left: float) -> httpx2.Response:
                return retry_until_accepted(partial(begin, left), seconds=self._retry_seconds, idempotent=True)

            response = retry_until_ready(take, seconds=wait)
            with _translated(self.address):
                yield response

    def page(self, **query: Any) -> dict[str, Any]:
        """Return one page of the list, newest first."""
        return self._call_json("GET", IMAGES, params={name: value for name, value in query.items() if value is not None})

    def delete(self, image_id: str) -> dict[str, Any]:
        return self._call_json("DELETE", image_path(image_id))

    def new_rendition(self, image_id: str, name: str, processing: str) -> dict[str, Any]:
        return self._call_json("POST", f"{image_path(image_id)}/renditions", json={"name": name, "processing": processing})

    def change(self, image_id: str, **changes: Any) -> dict[str, Any]:
        """Change an image's visibility or metadata. The same again changes nothing."""
        call = partial(self._json, "PATCH", image_path(image_id), json=changes)
        return retry_until_accepted(call, seconds=self._retry_seconds, idempotent=True)

    def new_link(self, image_id: str, expires_in: int, **asked: str | None) -> dict[str, Any]:
        """Make a signed link. Nothing is stored: it may be asked for again."""
        body = {"expires_in": expires_in, **{name: value for name, value in asked.items() if value is not None}}
        call = partial(self._json, "POST", f"{image_path(image_id)}/links", json=body)
        return retry_until_accepted(call, seconds=self._retry_seconds, idempotent=True)

    def retry(self, image_id: str) -> dict[str, Any]:
        return self._call_json("POST", f"{image_path(image_id)}/retry")

    def _call_json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        call = partial(self._json, method, path, **options)
        return retry_until_accepted(call, seconds=self._retry_seconds, idempotent=method == "GET")

    def _json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        try:
            body: dict[str, Any] = _accepted(self._call(method, path, **options)).json()
        except ValueError as error:
            raise CommandError(f"{self.address} answers, but it is not an image processor.") from error
        return body

    def _call(self, method: str, path: str, **options: Any) -> httpx2.Response:
        with _translated(self.address):
            return self._http.request(method, path, **options)


def _prefer(seconds: float) -> dict[str, str]:
    return {"prefer": f"wait={max(1, round(min(seconds, LONGEST_WAIT)))}"} if seconds > 0 else {}


def _accepted(response: httpx2.Response) -> httpx2.Response:
    if not response.is_error:
        return response
    try:
        problem = response.json()
        header = response.headers.get("retry-after", "")
        retry_after = float(header) if header.isdecimal() else None
        code, detail = problem["code"], problem["detail"]
        raise ServiceProblem(response.status_code, code, detail, retry_after, _hint(response, code))
    except (ValueError, KeyError, TypeError):
        raise ServiceProblem(response.status_code, "unknown", response.reason_phrase, hint=_hint(response)) from None


def _hint(response: httpx2.Response, code: str = "") -> str:
    """What to do about a credential that is missing, wrong or lacks a scope."""
    if response.status_code == 401:
        if "authorization" not in response.request.headers:
            return "Set IMAGECTL_KEY, or name a file with the key in --key-file. `imagectl keys create` makes one."
        return "Check IMAGECTL_KEY, or the file of --key-file: is it this service's, whole, and neither expired nor revoked?"
    if code == "forbidden":
        return "`imagectl keys create --scopes …` makes a key that may do more."
    return ""


@contextmanager
def _translated(address: str) -> Iterator[None]:
    try:
        yield
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
        raise CommandError(f"{address} is not an address: expected http://HOST:PORT.") from error
    except httpx2.ConnectError as error:
        raise Unreachable(
            f"No service answers at {address}. Start one with `make run`, or name another with --address."
        ) from error
    except httpx2.TimeoutException as error:
        raise Unanswered(f"The service at {address} took too long to answer.") from error
    except httpx2.HTTPError as error:
        raise Unanswered(f"The connection to {address} broke: {error}") from error
