"""The plain subcommands. Each prints what the service said, as text or as its JSON, and returns the exit code."""

import json
import mimetypes
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from internal.cli.connection import Connection, image_path
from internal.cli.errors import EXIT_FAILED, CommandError, UsageError

_ENDINGS = {"image/webp": ".webp", "image/avif": ".avif"}  # that not every mimetypes knows


def upload(connection: Connection, typed: Namespace) -> int:
    """One line an image: its id and its status. Fails when one of them does."""
    fields = _fields(typed)
    images = []
    for number, file in enumerate(typed.file):
        key = f"{typed.idempotency_key}-{number}" if typed.idempotency_key and number else typed.idempotency_key
        image = connection.upload(file, fields, idempotency_key=key)
        images.append(connection.settled(image["id"], typed.wait) if typed.wait else image)
        _show(images[-1], typed)
        _tell_failures(images[-1])
    return _exit_code(images)


def status(connection: Connection, typed: Namespace) -> int:
    image = connection.settled(typed.id, typed.wait)
    if typed.json:
        print(json.dumps(image, indent=2))
    else:
        print("\n".join(_described(image)))
    return _exit_code([image])


def get(connection: Connection, typed: Namespace) -> int:
    """Download to a file, which appears only when it is complete."""
    path = image_path(typed.id) + ("/original" if typed.original else "")
    query = f"?rendition={quote(typed.rendition)}" if typed.rendition else ""
    with connection.download(path + query, wait=typed.wait) as response:
        if typed.output == "-":
            _copy(response, sys.stdout.buffer)
            return 0
        kind = response.headers["content-type"]
        which = "-original" if typed.original else f"-{typed.rendition}" if typed.rendition else ""
        ending = _ENDINGS.get(kind) or mimetypes.guess_extension(kind) or ".bin"
        target = Path(typed.output or f"{typed.id}{which}{ending}")
        partial = target.with_name(f".{target.name}.part")
        try:
            with partial.open("wb") as file:
                size = _copy(response, file)
            partial.replace(target)
        except OSError as error:
            raise CommandError(f"{target}: {error.strerror}") from error
        finally:
            partial.unlink(missing_ok=True)
    said = {"file": str(target), "content_type": kind, "size": size}
    print(json.dumps(said) if typed.json else f"{target}  {kind}  {size} bytes")
    return 0


def list_images(connection: Connection, typed: Namespace) -> int:
    cursor = typed.cursor
    while True:
        page = connection.page(limit=typed.limit, status=typed.status, cursor=cursor)
        cursor = page["next_cursor"]
        if typed.json and not typed.all:
            print(json.dumps(page, indent=2))
            return 0
        for image in page["items"]:
            _show(image, typed)
        if not typed.all or not cursor:
            break
    if cursor:
        print(f"more: --cursor {cursor}")
    return 0


def delete(connection: Connection, typed: Namespace) -> int:
    for image_id in typed.id:
        said = connection.delete(image_id)
        print(json.dumps({"id": image_id, **said}) if typed.json else f"{image_id}  deleted")
    return 0


def retry(connection: Connection, typed: Namespace) -> int:
    """One line an image, as `upload`. An image of which nothing has failed is refused, and ends the command."""
    images = []
    for image_id in typed.id:
        image = connection.retry(image_id)
        images.append(connection.settled(image_id, typed.wait) if typed.wait else image)
        _show(images[-1], typed)
        _tell_failures(images[-1])
    return _exit_code(images)


def _fields(typed: Namespace) -> dict[str, str]:
    """The form's parts beside the picture."""
    fields = {}
    if typed.processing is not None:
        fields["processing"] = typed.processing
    if typed.rendition:
        pairs = [given.partition("=") for given in typed.rendition]
        if wrong := [name for name, equals, chain in pairs if not (name and equals and chain)]:
            raise UsageError(f"--rendition {wrong[0]}: expected NAME=CHAIN, such as small=resize:300x300.")
        names = [name for name, _, _ in pairs]
        if twice := [name for name in names if names.count(name) > 1]:
            raise UsageError(f"--rendition {twice[0]}: given twice.")
        fields["renditions"] = json.dumps({name: chain for name, _, chain in pairs})
    if typed.metadata is not None:
        fields["metadata"] = typed.metadata
    return fields


def _show(image: dict[str, Any], typed: Namespace) -> None:
    """One line an image."""
    names = ",".join(rendition["name"] for rendition in image["renditions"])
    line = f"{image['id']}  {image['status']:<10}  {image['original']['size']:>9} bytes  {names}"
    print(json.dumps(image) if typed.json else line)


def _tell_failures(image: dict[str, Any]) -> None:
    """Why renditions have failed, a line each, to standard error: what is printed stays one line an image."""
    for rendition in image["renditions"]:
        if error := rendition["error"]:
            print(f"{image['id']}  {rendition['name']}: {error['code']}: {error['detail']}", file=sys.stderr)


def _described(image: dict[str, Any]) -> list[str]:
    original = image["original"]
    sides = _sides(original) + (f", orientation {original['orientation']}" if (original.get("orientation") or 1) > 1 else "")
    lines = [
        f"{image['id']}  {image['status']}",
        f"  original    {original['content_type']}  {sides}  {original['size']} bytes  {original['filename'] or ''}",
    ]
    for rendition in image["renditions"]:
        facts = f"{rendition['content_type']}  {_sides(rendition)}  {rendition['size']} bytes" if rendition["size"] else ""
        facts += "".join(f"; {other['content_type']}  {other['size']} bytes" for other in rendition["alternatives"])
        error = rendition["error"]
        told = f"{error['code']}: {error['detail']}" if error else facts
        chain = f"{rendition['processing']}{' (stale)' if rendition['stale'] else ''}"
        lines.append(f"  {rendition['name']:<10}  {rendition['status']:<10}  {chain}  {told}".rstrip())
    return lines


def _sides(thing: dict[str, Any]) -> str:
    return f"{thing['width']}x{thing['height']}" if thing["width"] else "size unknown"


def _exit_code(images: list[dict[str, Any]]) -> int:
    return EXIT_FAILED if any(image["status"] == "failed" for image in images) else 0


def _copy(response: Any, file: BinaryIO) -> int:
    size = 0
    for chunk in response.iter_bytes():
        file.write(chunk)
        size += len(chunk)
    return size
