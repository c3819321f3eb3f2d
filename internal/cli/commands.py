"""Subcommands that make one call for each image. They print the response as text or JSON, and return the exit code."""

import json
import mimetypes
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from internal.cli.errors import EXIT_FAILED, CommandError, UsageError
from internal.cli.service_client import ServiceClient, image_path

_ENDINGS = {"image/webp": ".webp", "image/avif": ".avif"}  # some versions of mimetypes lack them


def upload(client: ServiceClient, args: Namespace) -> int:
    """Upload files, and print one line for each image, with its id and status. Fails if one image fails."""
    fields = _fields(args)
    images = []
    for number, file in enumerate(args.file):
        key = f"{args.idempotency_key}-{number}" if args.idempotency_key and number else args.idempotency_key
        image = client.upload(file, fields, idempotency_key=key)
        images.append(client.wait_until_final(image["id"], args.wait) if args.wait else image)
        _show(images[-1], args)
        _print_failures(images[-1])
    return _exit_code(images)


def status(client: ServiceClient, args: Namespace) -> int:
    image = client.wait_until_final(args.id, args.wait)
    if args.json:
        print(json.dumps(image, indent=2))
    else:
        print("\n".join(_described(image)))
    return _exit_code([image])


def get(client: ServiceClient, args: Namespace) -> int:
    """Download a file, which appears only when it is complete."""
    path = image_path(args.id) + ("/original" if args.original else "")
    query = f"?rendition={quote(args.rendition)}" if args.rendition else ""
    with client.download(path + query, wait=args.wait) as response:
        if args.output == "-":
            _copy(response, sys.stdout.buffer)
            return 0
        kind = response.headers["content-type"]
        which = "-original" if args.original else f"-{args.rendition}" if args.rendition else ""
        ending = _ENDINGS.get(kind) or mimetypes.guess_extension(kind) or ".bin"
        target = Path(args.output or f"{args.id}{which}{ending}")
        partial = target.with_name(f".{target.name}.part")
        try:
            with partial.open("wb") as file:
                size = _copy(response, file)
            partial.replace(target)
        except OSError as error:
            raise CommandError(f"{target}: {error.strerror}") from error
        finally:
            partial.unlink(missing_ok=True)
    summary = {"file": str(target), "content_type": kind, "size": size}
    print(json.dumps(summary) if args.json else f"{target}  {kind}  {size} bytes")
    return 0


def list_images(client: ServiceClient, args: Namespace) -> int:
    cursor = args.cursor
    while True:
        page = client.page(limit=args.limit, status=args.status, cursor=cursor)
        cursor = page["next_cursor"]
        if args.json and not args.all:
            print(json.dumps(page, indent=2))
            return 0
        for image in page["items"]:
            _show(image, args)
        if not args.all or not cursor:
            break
    if cursor:
        print(f"more: --cursor {cursor}")
    return 0


def delete(client: ServiceClient, args: Namespace) -> int:
    for image_id in args.id:
        answer = client.delete(image_id)
        print(json.dumps({"id": image_id, **answer}) if args.json else f"{image_id}  deleted")
    return 0


def retry(client: ServiceClient, args: Namespace) -> int:
    """Retry failed renditions, and print one line for each image. An image without failed renditions ends the command."""
    images = []
    for image_id in args.id:
        image = client.retry(image_id)
        images.append(client.wait_until_final(image_id, args.wait) if args.wait else image)
        _show(images[-1], args)
        _print_failures(images[-1])
    return _exit_code(images)


def _fields(args: Namespace) -> dict[str, str]:
    """Return the form's fields apart from the picture."""
    fields = {}
    if args.processing is not None:
        fields["processing"] = args.processing
    if args.rendition:
        pairs = [given.partition("=") for given in args.rendition]
        if wrong := [name for name, equals, chain in pairs if not (name and equals and chain)]:
            raise UsageError(f"--rendition {wrong[0]}: expected NAME=CHAIN, such as small=resize:300x300.")
        names = [name for name, _, _ in pairs]
        if twice := [name for name in names if names.count(name) > 1]:
            raise UsageError(f"--rendition {twice[0]}: given twice.")
        fields["renditions"] = json.dumps({name: chain for name, _, chain in pairs})
    if args.metadata is not None:
        fields["metadata"] = args.metadata
    return fields


def _show(image: dict[str, Any], args: Namespace) -> None:
    """Print one line for an image."""
    names = ",".join(rendition["name"] for rendition in image["renditions"])
    line = f"{image['id']}  {image['status']:<10}  {image['original']['size']:>9} bytes  {names}"
    print(json.dumps(image) if args.json else line)


def _print_failures(image: dict[str, Any]) -> None:
    """Print the errors of failed renditions to stderr, so that stdout has one line for each image."""
    for rendition in image["renditions"]:
        if error := rendition["error"]:
            print(f"{image['id']}  {rendition['name']}: {error['code']}: {error['detail']}", file=sys.stderr)


def _described(image: dict[str, Any]) -> list[str]:
    original = image["original"]
    sides = _sides(original) + (f", orientation {original['orientation']}" if (original.get("orientation") or 1) > 1 else "")
    lines = [
        f"{image['id']}  {image['status']}{'  public' if image.get('visibility') == 'public' else ''}",
        f"  original    {original['content_type']}  {sides}  {original['size']} bytes  {original['filename'] or ''}",
    ]
    for rendition in image["renditions"]:
        facts = f"{rendition['content_type']}  {_sides(rendition)}  {rendition['size']} bytes" if rendition["size"] else ""
        facts += "".join(f"; {other['content_type']}  {other['size']} bytes" for other in rendition["alternatives"])
        error = rendition["error"]
        outcome = f"{error['code']}: {error['detail']}" if error else facts
        chain = f"{rendition['processing']}{' (stale)' if rendition['stale'] else ''}"
        lines.append(f"  {rendition['name']:<10}  {rendition['status']:<10}  {chain}  {outcome}".rstrip())
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
