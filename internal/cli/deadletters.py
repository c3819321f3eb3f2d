"""`imagectl deadletters`: list, show, replay and drop dead letters."""

import base64
import json
import sys
from argparse import Namespace
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import msgspec

from internal.cli.admin import actor, open_tables, run_admin
from internal.cli.errors import EXIT_FAILED, CommandError, UsageError
from internal.cli.listing import print_newest
from internal.cli.progress import ProgressCounter
from internal.maintenance.dead_letters import Replay, drop, list_dead_letters, replay
from internal.ports.repository.dead_letters import DeadLetterEntry
from internal.ports.repository.repository import Repository
from internal.settings.sections import Settings

REFUSALS = {
    Replay.NOT_FOUND: "there is no such dead letter",
    Replay.IMAGE_GONE: "its image is gone",
    Replay.NOT_FAILED: "its rendition is no longer failed",
    Replay.NO_CHANNEL: "its channel is unknown",
    Replay.UNREADABLE: "its message could not be read: its body is the raw record of the queue",
}


def deadletters(args: Namespace) -> int:
    """Run an action. Fails if a requested dead letter can't be shown, replayed or dropped."""
    if args.action in ("replay", "drop") and bool(args.id) == args.all:
        raise UsageError("give the ids of dead letters, or --all")
    if args.action == "drop" and args.all and not args.yes:
        raise UsageError("--all requires --yes")
    return run_admin(partial(ACTIONS[args.action], args))


async def _list(args: Namespace, settings: Settings) -> int:
    async with open_tables(settings) as repository:
        entries = list_dead_letters(repository, code=args.code, limit=None if args.all else args.limit + 1)
        await print_newest(entries, args, _line, _as_json)
    return 0


async def _show(args: Namespace, settings: Settings) -> int:
    async with open_tables(settings) as repository:
        entry = await repository.dead_letters.find(args.id)
    if entry is None:
        raise CommandError(f"{args.id}: {REFUSALS[Replay.NOT_FOUND]}")
    facts = _as_json(entry)
    print(json.dumps(facts, indent=2) if args.json else "\n".join(_described(facts)))
    return 0


async def _replay(args: Namespace, settings: Settings) -> int:
    refused, who = 0, actor()
    progress = ProgressCounter("dead letters", every=100)
    async with open_tables(settings) as repository:
        async for dead_letter_id in _chosen(args, repository):
            outcome = await replay(repository, dead_letter_id, who)
            progress.add()
            if outcome == Replay.NOT_FOUND and args.all:
                continue  # it was removed with another one of the same rendition
            _print_outcome(dead_letter_id, outcome, args)
            refused += outcome != Replay.QUEUED
    return EXIT_FAILED if refused else 0


async def _drop(args: Namespace, settings: Settings) -> int:
    missing = 0
    progress = ProgressCounter("dead letters", every=1000)
    async with open_tables(settings) as repository:
        async for dead_letter_id in _chosen(args, repository):
            dropped = await drop(repository, dead_letter_id)
            progress.add()
            if dropped:
                print(json.dumps({"id": dead_letter_id, "outcome": "dropped"}) if args.json else f"{dead_letter_id}  dropped")
            elif not args.all:
                _print_outcome(dead_letter_id, Replay.NOT_FOUND, args)
                missing += 1
    return EXIT_FAILED if missing else 0


ACTIONS = {"list": _list, "show": _show, "replay": _replay, "drop": _drop}


async def _chosen(args: Namespace, repository: Repository) -> AsyncIterator[int]:
    if args.id and args.code:
        raise UsageError("Give either ids or --code with --all.")
    for dead_letter_id in args.id:
        yield dead_letter_id
    if args.all:
        async for entry in list_dead_letters(repository, code=args.code):
            yield entry.id


def _print_outcome(dead_letter_id: int, outcome: Replay, args: Namespace) -> None:
    """Print an outcome. Refusals go to stderr too, so that they are visible if stdout goes to a file."""
    if args.json:
        print(json.dumps({"id": dead_letter_id, "outcome": outcome.value}))
    elif outcome == Replay.QUEUED:
        print(f"{dead_letter_id}  queued")
    if outcome != Replay.QUEUED:
        print(f"imagectl: {dead_letter_id}: {REFUSALS[outcome]}", file=sys.stderr)


def _as_json(entry: DeadLetterEntry) -> dict[str, Any]:
    """Return a dead letter as JSON. `body` is text if it is UTF-8, else base64; `body_encoding` says which."""
    dead_letter = entry.dead_letter
    try:
        body, encoding = dead_letter.body.decode(), "utf-8"
    except UnicodeDecodeError:
        body, encoding = base64.b64encode(dead_letter.body).decode(), "base64"
    stored = {"id": entry.id, "created_at": entry.created_at, **msgspec.structs.asdict(dead_letter)}
    derived = {"rendition_status": entry.rendition_status, "body": body, "body_encoding": encoding}
    facts: dict[str, Any] = msgspec.to_builtins({**stored, **derived})
    return facts


def _line(entry: DeadLetterEntry) -> str:
    dead_letter = entry.dead_letter
    rendition = f"{dead_letter.image_id}  {dead_letter.rendition}  {_now(entry)}"
    subject = rendition if dead_letter.image_id else f"message from {dead_letter.source}"
    return f"{entry.id:>6}  {entry.created_at:%Y-%m-%d %H:%M:%S}  {dead_letter.code:<22}  {subject}"


def _now(entry: DeadLetterEntry) -> str:
    return f"now {entry.rendition_status}" if entry.rendition_status else "image gone"


def _described(facts: dict[str, Any]) -> list[str]:
    """Return one line for each fact. Empty facts are omitted."""
    headers = [(f"header {name}", value) for name, value in facts.pop("headers").items()]
    if facts.pop("body_encoding") == "base64":
        facts["body in base64"] = facts.pop("body")
    shown = [(name, _printable(str(value))) for name, value in [*facts.items(), *headers] if value not in (None, "")]
    width = max(len(name) for name, _ in shown)
    return [f"{name:<{width}}  {value}" for name, value in shown]


def _printable(text: str) -> str:
    """Escape control characters. Messages are foreign input, which must not control the terminal."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
