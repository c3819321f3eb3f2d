"""`imagectl keys`: create, list and revoke API keys."""

import json
import sys
from argparse import Namespace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from internal.cli.admin import actor, open_tables, run_admin
from internal.cli.durations import parse_duration
from internal.cli.errors import EXIT_FAILED, UsageError
from internal.cli.listing import print_newest
from internal.domain.api_key import ApiKey
from internal.domain.errors import InvalidRequest, NotFound
from internal.identity.keys import create_key, keys_of, revoke_key
from internal.settings.sections import Settings


def keys(args: Namespace) -> int:
    """Run an action. Fails if a key that is to be revoked does not exist."""
    return run_admin(partial(ACTIONS[args.action], args))


async def _create(args: Namespace, settings: Settings) -> int:
    """Print the key alone to stdout, so that `KEY=$(imagectl keys create …)` has it, and all else to stderr."""
    scopes = [scope for scope in args.scopes.split(",") if scope]
    expires_in = None if args.expires is None else parse_duration(args.expires)
    async with open_tables(settings) as repository:
        try:
            key, secret = await create_key(
                repository, actor(), owner=args.owner, scopes=scopes, name=args.name, expires_in=expires_in
            )
        except InvalidRequest as error:
            raise UsageError(error.detail) from error
    print(json.dumps({**_as_json(key), "key": secret}) if args.json else secret)
    if not args.json:
        until = (
            f"It expires at {key.expires_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC." if key.expires_at else "It never expires."
        )
        print(f"imagectl: key {key.id} of {key.owner}: {', '.join(key.scopes)}. {until}", file=sys.stderr)
        print("imagectl: the key is shown this once: keep it. Send it as `Authorization: Bearer KEY`.", file=sys.stderr)
    return 0


async def _list(args: Namespace, settings: Settings) -> int:
    async with open_tables(settings) as repository:
        await print_newest(keys_of(repository, args.owner), args, _line, _as_json)
    return 0


async def _revoke(args: Namespace, settings: Settings) -> int:
    missing = 0
    async with open_tables(settings) as repository:
        for text in args.id:
            try:
                key = await revoke_key(repository, actor(), _key_id(text))
            except NotFound:
                print(f"imagectl: {text}: there is no such key", file=sys.stderr)
                missing += 1
                continue
            print(json.dumps(_as_json(key)) if args.json else f"{key.id}  revoked")
    return EXIT_FAILED if missing else 0


ACTIONS = {"create": _create, "list": _list, "revoke": _revoke}


def _key_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound from error


def _as_json(key: ApiKey) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.to_builtins(key)
    return facts


def _line(key: ApiKey) -> str:
    used = f"used {key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never used"
    return f"{key.id}  {key.prefix}  {_state(key):<18}  {used:<21}  {key.owner}  {','.join(key.scopes)}  {key.name}".rstrip()


def _state(key: ApiKey) -> str:
    if key.revoked_at:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    if key.expires_at:
        return f"{'expired' if key.expires_at <= datetime.now(UTC) else 'until'} {key.expires_at:%Y-%m-%d}"
    return "active"
