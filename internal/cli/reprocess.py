"""`imagectl reprocess`: renditions whose preset has changed are asked for once more, so that they are made anew."""

import json
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from internal.cli.connection import Connection
from internal.cli.errors import EXIT_FAILED, Refused
from internal.cli.progress import Progress
from internal.domain.errors import InvalidProcessing
from internal.pipeline.language.ast import parse_calls

PAGE = 200
PROGRESS = 1000


def reprocess(connection: Connection, typed: Namespace) -> int:
    """One line a stale rendition and a last one with the counts. Fails when one is refused that is still there.

    Nothing is waited for: the old bytes are served until the new ones are there. To be run again is harmless.
    """
    looked_at = Progress("images looked at", PROGRESS)
    counts = {"stale": 0, "asked": 0, "gone": 0, "refused": 0}
    for image in _images(connection, looked_at):
        for rendition in _chosen(image, typed.preset):
            counts["stale"] += 1
            done = None if typed.dry_run else _asked(connection, image["id"], rendition)
            if done:
                counts[done.partition(":")[0]] += 1
            _tell(image["id"], rendition, done, typed)
    _sum_up({"images": looked_at.count, **counts}, typed)
    return EXIT_FAILED if counts["refused"] else 0


def names_preset(text: str, preset: str) -> bool:
    """Whether a chain, in either notation, has `preset:NAME` as one of its steps."""
    try:
        return any(
            call.name == "preset" and [argument.value for argument in call.arguments] == [preset] for call in parse_calls(text)
        )
    except InvalidProcessing:
        return False


def _images(connection: Connection, looked_at: Progress) -> Iterator[dict[str, Any]]:
    """All of them, newest first: what is made anew changes no image's place."""
    cursor = None
    while True:
        page = connection.page(limit=PAGE, cursor=cursor)
        yield from page["items"]
        looked_at.add(len(page["items"]))
        cursor = page["next_cursor"]
        if not cursor:
            return


def _chosen(image: dict[str, Any], preset: str | None) -> list[dict[str, Any]]:
    stale = [rendition for rendition in image["renditions"] if rendition["stale"]]
    return [rendition for rendition in stale if preset is None or names_preset(rendition["requested"], preset)]


def _asked(connection: Connection, image_id: str, rendition: dict[str, Any]) -> str:
    """What became of it: `asked`, `gone`, or `refused` and why."""
    try:
        connection.new_rendition(image_id, rendition["name"], rendition["requested"])
    except Refused as refused:
        return "gone" if refused.status == 404 else f"refused: {refused}"  # deleted since the page came
    return "asked"


def _tell(image_id: str, rendition: dict[str, Any], done: str | None, typed: Namespace) -> None:
    name, requested = rendition["name"], rendition["requested"]
    told = {"id": image_id, "name": name, "requested": requested, "outcome": done}
    print(json.dumps(told) if typed.json else f"{image_id}  {name:<10}  {requested}  {done or ''}".rstrip(), flush=True)


def _sum_up(counts: dict[str, int], typed: Namespace) -> None:
    if typed.json:
        print(json.dumps(counts))
        return
    done = (
        "nothing was asked for"
        if typed.dry_run
        else ", ".join(f"{counts[name]:,} {name}" for name in ("asked", "gone", "refused"))
    )
    print(f"{counts['images']:,} images looked at: {counts['stale']:,} stale renditions; {done}")
