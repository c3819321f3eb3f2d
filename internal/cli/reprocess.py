"""`imagectl reprocess`: request stale renditions, whose preset has changed, so that they are regenerated."""

import json
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from internal.cli.errors import EXIT_FAILED, ServiceProblem
from internal.cli.progress import ProgressCounter
from internal.cli.service_client import ServiceClient
from internal.domain.errors import InvalidProcessing
from internal.pipeline.language.ast import parse_calls

PAGE = 200
PROGRESS = 1000


def reprocess(client: ServiceClient, args: Namespace) -> int:
    """Print one line for each stale rendition, and a last line with the counts. Fails if the service refuses an existing one.

    It does not wait: the old bytes are served until the new ones exist. Repeated runs are safe.
    """
    checked = ProgressCounter("images checked", PROGRESS)
    counts = {"stale": 0, "asked": 0, "gone": 0, "refused": 0}
    for image in _images(client, checked):
        for rendition in _chosen(image, args.preset):
            counts["stale"] += 1
            done = None if args.dry_run else _request_rendition(client, image["id"], rendition)
            if done:
                counts[done.partition(":")[0]] += 1
            _print_outcome(image["id"], rendition, done, args)
    _print_summary({"images": checked.count, **counts}, args)
    return EXIT_FAILED if counts["refused"] else 0


def names_preset(text: str, preset: str) -> bool:
    """True if a chain, as text or JSON, has the step `preset:NAME`."""
    try:
        return any(
            call.name == "preset" and [argument.value for argument in call.arguments] == [preset] for call in parse_calls(text)
        )
    except InvalidProcessing:
        return False


def _images(client: ServiceClient, checked: ProgressCounter) -> Iterator[dict[str, Any]]:
    """Yield all images, newest first. Regenerating a rendition does not change the order."""
    cursor = None
    while True:
        page = client.page(limit=PAGE, cursor=cursor)
        yield from page["items"]
        checked.add(len(page["items"]))
        cursor = page["next_cursor"]
        if not cursor:
            return


def _chosen(image: dict[str, Any], preset: str | None) -> list[dict[str, Any]]:
    stale = [rendition for rendition in image["renditions"] if rendition["stale"]]
    return [rendition for rendition in stale if preset is None or names_preset(rendition["requested"], preset)]


def _request_rendition(client: ServiceClient, image_id: str, rendition: dict[str, Any]) -> str:
    """Request the rendition. Returns `asked`, `gone`, or `refused` with the reason."""
    try:
        client.new_rendition(image_id, rendition["name"], rendition["requested"])
    except ServiceProblem as refused:
        return "gone" if refused.status == 404 else f"refused: {refused}"  # deleted since the page was read
    return "asked"


def _print_outcome(image_id: str, rendition: dict[str, Any], done: str | None, args: Namespace) -> None:
    name, requested = rendition["name"], rendition["requested"]
    outcome = {"id": image_id, "name": name, "requested": requested, "outcome": done}
    print(json.dumps(outcome) if args.json else f"{image_id}  {name:<10}  {requested}  {done or ''}".rstrip(), flush=True)


def _print_summary(counts: dict[str, int], args: Namespace) -> None:
    if args.json:
        print(json.dumps(counts))
        return
    done = (
        "nothing was requested"
        if args.dry_run
        else ", ".join(f"{counts[name]:,} {name}" for name in ("asked", "gone", "refused"))
    )
    print(f"{counts['images']:,} images checked: {counts['stale']:,} stale renditions; {done}")
