"""Listings of commands: the newest items first, each on a line, as text or as JSON."""

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar
from uuid import UUID

import msgspec

PAGE = 200


class Identified(Protocol):
    @property
    def id(self) -> UUID: ...


T = TypeVar("T")
Row = TypeVar("Row", bound=Identified)


async def all_pages(page: Callable[[UUID | None], Awaitable[Sequence[Row]]]) -> AsyncIterator[Row]:
    """Each item of a table. `page(before)`: the newest items that are older than the one with this id; empty at the end."""
    before = None
    while found := await page(before):
        for item in found:
            yield item
        before = found[-1].id


def add_length(listing: ArgumentParser, count: Callable[[str], int]) -> None:
    """Add the options that `print_newest` obeys."""
    listing.add_argument("--limit", type=count, default=50, metavar="N", help="at most N (default: %(default)s)")
    listing.add_argument("--all", action="store_true", help="all of them")


async def print_newest(
    items: AsyncIterator[T], args: Namespace, line: Callable[[T], str], as_json: Callable[[T], Any] = msgspec.to_builtins
) -> None:
    """Print as many as --limit and --all say. If there are more, stderr says so."""
    shown = 0
    async for item in items:
        if shown == args.limit and not args.all:
            print(f"imagectl: these are the newest {shown}; there are more: --limit N, --all", file=sys.stderr)
            return
        print(json.dumps(as_json(item)) if args.json else line(item))
        shown += 1
