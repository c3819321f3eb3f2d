"""`imagectl deadletters`: what stopped for good, looked at, tried again, or dropped."""

import base64
import json
import sys
from argparse import Namespace
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import msgspec

from internal.cli.admin import operate
from internal.cli.errors import EXIT_FAILED, CommandError, UsageError
from internal.cli.progress import Progress
from internal.maintenance.dead_letters import Replay, drop, list_dead_letters, replay
from internal.ports.repository.dead_letters import DeadLetterEntry
from internal.ports.repository.repository import Repository
from internal.settings.sections import Settings
from internal.wiring.operator import open_repository

REFUSALS = {
    Replay.NOT_FOUND: "there is no such letter",
    Replay.IMAGE_GONE: "its image is gone",
    Replay.NOT_FAILED: "its rendition has not failed any more",
    Replay.NO_CHANNEL: "it does not say where it came from",
    Replay.UNREADABLE: "its message could not be read: its body is the record as it lies in the queue",
}


def deadletters(typed: Namespace) -> int:
    """Fails when a letter that was asked for can't be shown, replayed or dropped."""
    if typed.action in ("replay", "drop") and bool(typed.id) == typed.all:
        raise UsageError("name letters, or --all of them")
    if typed.action == "drop" and typed.all and not typed.yes:
        raise UsageError("dropping all of them needs --yes")
    return operate(partial(ACTIONS[typed.action], typed))


async def _list(typed: Namespace, settings: Settings) -> int:
    shown = 0
    async with _tables(settings) as repository:
        async for kept in list_dead_letters(repository, code=typed.code, limit=None if typed.all else typed.limit + 1):
            if shown == typed.limit and not typed.all:
                print(f"imagectl: these are the newest {shown}; there are more: --limit N, --all", file=sys.stderr)
                break
            print(json.dumps(_as_json(kept)) if typed.json else _line(kept))
            shown += 1
    return 0


async def _show(typed: Namespace, settings: Settings) -> int:
    async with _tables(settings) as repository:
        kept = await repository.dead_letters.find(typed.id)
    if kept is None:
        raise CommandError(f"{typed.id}: {REFUSALS[Replay.NOT_FOUND]}")
    facts = _as_json(kept)
    print(json.dumps(facts, indent=2) if typed.json else "\n".join(_described(facts)))
    return 0


async def _replay(typed: Namespace, settings: Settings) -> int:
    refused = 0
    progress = Progress("letters", every=100)
    async with _tables(settings) as repository:
        async for letter_id in _chosen(typed, repository):
            outcome = await replay(repository, letter_id)
            progress.add()
            if outcome == Replay.NOT_FOUND and typed.all:
                continue  # it went with another one of the same rendition
            _tell(letter_id, outcome, typed)
            refused += outcome != Replay.QUEUED
    return EXIT_FAILED if refused else 0


async def _drop(typed: Namespace, settings: Settings) -> int:
    missing = 0
    progress = Progress("letters", every=1000)
    async with _tables(settings) as repository:
        async for letter_id in _chosen(typed, repository):
            dropped = await drop(repository, letter_id)
            progress.add()
            if dropped:
                print(json.dumps({"id": letter_id, "outcome": "dropped"}) if typed.json else f"{letter_id}  dropped")
            elif not typed.all:
                _tell(letter_id, Replay.NOT_FOUND, typed)
                missing += 1
    return EXIT_FAILED if missing else 0


ACTIONS = {"list": _list, "show": _show, "replay": _replay, "drop": _drop}


@asynccontextmanager
async def _tables(settings: Settings) -> AsyncIterator[Repository]:
    async with open_repository(settings) as repository:
        await repository.check()
        yield repository


async def _chosen(typed: Namespace, repository: Repository) -> AsyncIterator[int]:
    if typed.id and typed.code:
        raise UsageError("Give either ids or --code with --all.")
    for letter_id in typed.id:
        yield letter_id
    if typed.all:
        async for kept in list_dead_letters(repository, code=typed.code):
            yield kept.id


def _tell(letter_id: int, outcome: Replay, typed: Namespace) -> None:
    """What was refused is told on stderr too, so that it is seen where the output goes to a file."""
    if typed.json:
        print(json.dumps({"id": letter_id, "outcome": outcome.value}))
    elif outcome == Replay.QUEUED:
        print(f"{letter_id}  queued")
    if outcome != Replay.QUEUED:
        print(f"imagectl: {letter_id}: {REFUSALS[outcome]}", file=sys.stderr)


def _as_json(kept: DeadLetterEntry) -> dict[str, Any]:
    """`body` is text where it is any, and base64 else: `body_encoding` says which."""
    letter = kept.dead_letter
    try:
        body, encoding = letter.body.decode(), "utf-8"
    except UnicodeDecodeError:
        body, encoding = base64.b64encode(letter.body).decode(), "base64"
    facts = {"id": kept.id, "created_at": kept.created_at, **msgspec.structs.asdict(letter)}
    more = {"rendition_status": kept.rendition_status, "body": body, "body_encoding": encoding}
    told: dict[str, Any] = msgspec.to_builtins({**facts, **more})
    return told


def _line(kept: DeadLetterEntry) -> str:
    letter = kept.dead_letter
    what = f"{letter.image_id}  {letter.rendition}  {_now(kept)}" if letter.image_id else f"message from {letter.source}"
    return f"{kept.id:>6}  {kept.created_at:%Y-%m-%d %H:%M:%S}  {letter.code:<22}  {what}"


def _now(kept: DeadLetterEntry) -> str:
    return f"now {kept.rendition_status}" if kept.rendition_status else "image gone"


def _described(facts: dict[str, Any]) -> list[str]:
    """A line a fact; what does not apply is left out."""
    headers = [(f"header {name}", value) for name, value in facts.pop("headers").items()]
    if facts.pop("body_encoding") == "base64":
        facts["body in base64"] = facts.pop("body")
    told = [(name, _printable(str(value))) for name, value in [*facts.items(), *headers] if value not in (None, "")]
    width = max(len(name) for name, _ in told)
    return [f"{name:<{width}}  {value}" for name, value in told]


def _printable(text: str) -> str:
    """A message is anybody's: what it says must not steer the terminal."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
