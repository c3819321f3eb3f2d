"""`imagectl tokens`: revoke tokens, and list what is revoked."""

import json
from argparse import Namespace
from datetime import UTC, datetime
from functools import partial

import msgspec

from internal.cli.admin import actor, open_tables, run_admin
from internal.cli.errors import UsageError
from internal.cli.listing import PAGE, all_pages, print_newest
from internal.domain.ids import new_id
from internal.domain.owner import MAX_OWNER, is_owner
from internal.domain.revocation import MAX_JTI, Revocation, is_jti
from internal.identity.tokens.revoke import revoke
from internal.settings.sections import Settings


def tokens(args: Namespace) -> int:
    """Run an action."""
    return run_admin(partial(ACTIONS[args.action], args))


async def _revoke(args: Namespace, settings: Settings) -> int:
    revocation = _revocation(args)
    async with open_tables(settings) as repository:
        stored = await revoke(repository, revocation, actor=actor(), seconds=settings.jwt.valid_seconds)
    print(json.dumps(msgspec.to_builtins(stored)) if args.json else _line(stored))
    return 0


async def _list(args: Namespace, settings: Settings) -> int:
    async with open_tables(settings) as repository:
        revocations = all_pages(lambda before: repository.revoked_tokens.page(limit=PAGE, before=before))
        await print_newest(revocations, args, _line)
    return 0


ACTIONS = {"revoke": _revoke, "list": _list}


def _revocation(args: Namespace) -> Revocation:
    """What the arguments ask for. Raises UsageError."""
    if (args.jti is None) == (args.owner is None):
        raise UsageError("give either --jti or --owner")
    if args.jti is not None and args.before is not None:
        raise UsageError("--before goes with --owner: a token with this jti is revoked whenever it was issued")
    if args.owner is not None and not is_owner(args.owner):
        raise UsageError(f"--owner: expected 1 to {MAX_OWNER} printable characters")
    if args.jti is not None and not (args.jti and is_jti(args.jti)):
        raise UsageError(f"--jti: expected 1 to {MAX_JTI} printable characters")
    before, until = _time("--before", args.before), _time("--until", args.until)
    if before is not None and before > datetime.now(UTC):
        raise UsageError("--before: this time is still to come")
    if until is not None and until < datetime.now(UTC):
        raise UsageError("--until: this time is over, and so the token has expired")
    return Revocation(new_id(), args.jti, args.owner, before, until)


def _time(option: str, text: str | None) -> datetime | None:
    """A time in ISO 8601, in UTC if it says nothing else. Raises UsageError."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{option} {text}: expected a time such as 2026-11-30T12:00:00Z") from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _line(revocation: Revocation) -> str:
    if revocation.jti is not None:
        what = f"token {revocation.jti}"
    else:
        what = f"tokens of {revocation.owner} issued before {revocation.issued_before:%Y-%m-%d %H:%M:%S}"
    return f"{revocation.id}  revoked {revocation.created_at:%Y-%m-%d %H:%M:%S}  until {revocation.expires_at:%Y-%m-%d}  {what}"
