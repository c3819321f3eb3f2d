"""Arguments of the admin commands, which work without HTTP."""

import argparse
from collections.abc import Callable
from pathlib import Path

from internal.cli.listing import add_length

DAY = 86_400.0
MAX_WEIGHT = 1000.0

WITHOUT_HTTP = (
    "The command does not use HTTP: it works on the service's own {}, with the settings of the environment and config/, as "
    "`make migrate` does. APP_PROFILE=standalone finds a `make run`."
)
"""A part of each command's --help."""

Commands = Callable[..., argparse.ArgumentParser]


def add_admin_commands(add_parser: Commands) -> None:
    """Add the commands. `add_parser` is argparse's."""
    output = argparse.ArgumentParser(add_help=False)
    output.add_argument("--json", action="store_true", help="print JSON, one object a line")
    _audit(add_parser, output)
    _keys(add_parser, output)
    _tokens(add_parser, output)
    _deadletters(add_parser, output)
    _owners(add_parser, output)
    _store(add_parser, output)
    reconcile = add_parser(
        "reconcile",
        parents=[output],
        help="compare the object store with the database",
        description="Finds objects that nothing refers to, and rows whose object is missing or has another size (with --read: "
        "or other bytes). Counts owners' usage anew, beside a running service. "
        + WITHOUT_HTTP.format("database and object store"),
        epilog="Exit codes: 0 no faults, or all repaired; 1 faults are left; 2 wrong usage; 3 database or store do not answer.",
    )
    reconcile.add_argument(
        "--fix",
        action="store_true",
        help="list unreferenced objects for removal, regenerate missing or damaged renditions, and correct usage; an original "
        "can't be repaired",
    )
    reconcile.add_argument(
        "--read",
        action="store_true",
        help="read every object that a row refers to, and compare its SHA-256; this reads the whole store",
    )
    reconcile.add_argument(
        "--older-than", type=seconds, default=DAY, metavar="SECONDS", help="skip younger objects and rows (default: a day)"
    )


def _audit(add_parser: Commands, output: argparse.ArgumentParser) -> None:
    listing = add_parser(
        "audit",
        parents=[output],
        help="list what admins did",
        description="Lists the actions of admins, newest first: who, what, to which target. " + WITHOUT_HTTP.format("table"),
        epilog="Exit codes: 0 done; 2 wrong usage; 3 the database does not answer.",
    )
    listing.add_argument("--target", metavar="TARGET", help="only what was done to this key, token or owner")
    add_length(listing, count)


def _keys(add_parser: Commands, output: argparse.ArgumentParser) -> None:
    top = add_parser(
        "keys",
        help="API keys: create, list, revoke",
        description="API keys, for AUTH_MODE=key. " + WITHOUT_HTTP.format("table"),
        epilog="Exit codes: 0 done; 1 there is no such key; 2 wrong usage; 3 the database does not answer.",
    )
    actions = top.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser(
        "create",
        parents=[output],
        help="create a key, and print it this once",
        description="Prints the key, and nothing else, to stdout. It is not stored and can't be shown again.",
    )
    create.add_argument("--owner", required=True, metavar="NAME", help="whose images the key is about")
    create.add_argument(
        "--scopes", required=True, metavar="SCOPES", help="of images:read, images:write and images:admin, between commas"
    )
    create.add_argument("--expires", metavar="TIME", help="when it expires, such as 90d, 12h or 30m (default: never)")
    create.add_argument("--name", default="", help="a name for people")
    listing = actions.add_parser("list", parents=[output], help="list keys without their secrets, newest first")
    listing.add_argument("--owner", metavar="NAME", help="only keys of this owner")
    add_length(listing, count)
    revoke = actions.add_parser("revoke", parents=[output], help="revoke keys; two seconds later no process takes them")
    revoke.add_argument("id", nargs="+", metavar="ID")


def _owners(add_parser: Commands, output: argparse.ArgumentParser) -> None:
    top = add_parser(
        "owners",
        help="owners: list, show, set, export, delete",
        description="Owners and all that they have. " + WITHOUT_HTTP.format("database and object store"),
        epilog="Exit codes: 0 done; 1 an object is lost, or nothing is known of the owner; 2 wrong usage; 3 database or store do "
        "not answer.",
    )
    actions = top.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", parents=[output], help="list owners by name, with what they have and may have")
    actions.add_parser("show", parents=[output], help="show one owner").add_argument("owner", metavar="OWNER")
    change = actions.add_parser(
        "set",
        parents=[output],
        help="set an owner's quotas and weight",
        description="Sets quotas and weight of an owner, who need not have anything yet. It counts from the next request on.",
    )
    change.add_argument("owner", metavar="OWNER")
    for name, what in (("images", "images"), ("bytes", "bytes of originals and renditions"), ("queued", "unfinished renditions")):
        change.add_argument(f"--{name}", metavar="N", help=f"{what} at most: a number such as 500 or 10G; none; default")
    change.add_argument("--weight", type=weight, metavar="W", help="share of the workers while several owners wait (default: 1)")
    export = actions.add_parser(
        "export",
        parents=[output],
        help="write all that an owner has to a folder",
        description="Writes originals, results, metadata and a manifest. The same command again goes on where it ended: "
        "it writes what is missing or different.",
    )
    export.add_argument("owner", metavar="OWNER")
    export.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="where to; it is created if necessary")
    delete = actions.add_parser(
        "delete",
        parents=[output],
        help="delete all that an owner has, with a receipt",
        description="Deletes every image as DELETE does, and all else that bears the owner's name. The same command again goes "
        "on where it ended, and adds to the receipt.",
    )
    delete.add_argument("owner", metavar="OWNER")
    delete.add_argument("--receipt", type=Path, required=True, metavar="FILE", help="JSON lines: ids, times, and the totals")
    delete.add_argument("--yes", action="store_true", help="required: deletion can't be undone")


def _tokens(add_parser: Commands, output: argparse.ArgumentParser) -> None:
    top = add_parser(
        "tokens",
        help="tokens: revoke, list what is revoked",
        description="Revoked tokens, for AUTH_MODE=jwt. " + WITHOUT_HTTP.format("table"),
        epilog="Exit codes: 0 done; 2 wrong usage; 3 the database does not answer.",
    )
    actions = top.add_subparsers(dest="action", required=True, metavar="ACTION")
    revoke = actions.add_parser(
        "revoke",
        parents=[output],
        help="revoke one token, or all of an owner; two seconds later no process takes them",
        description="Revokes the token with a jti, or all tokens of an owner that were issued (iat) before a time. A token "
        "without iat is revoked with any other of its owner. Times are in ISO 8601, in UTC unless they say otherwise.",
    )
    revoke.add_argument("--jti", metavar="JTI", help="the id of the token")
    revoke.add_argument("--owner", metavar="NAME", help="the owner of the tokens")
    revoke.add_argument("--before", metavar="TIME", help="with --owner: only tokens issued before (default: now)")
    revoke.add_argument(
        "--until",
        metavar="TIME",
        help="when the last of them expires, and the row goes (default: JWT_MAX_SECONDS from now)",
    )
    listing = actions.add_parser("list", parents=[output], help="list what is revoked, newest first")
    add_length(listing, count)


def _store(add_parser: Commands, output: argparse.ArgumentParser) -> None:
    top = add_parser(
        "store",
        help="the object store that belongs to the database: show, adopt",
        description="Database and object store have the same id, so that neither is used with another one. "
        + WITHOUT_HTTP.format("database and object store"),
        epilog="Exit codes: 0 they belong together; 1 they do not; 2 wrong usage; 3 database or store do not answer.",
    )
    actions = top.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("show", parents=[output], help="show both ids, and whether the store has the pictures")
    adopt = actions.add_parser(
        "adopt",
        parents=[output],
        help="give both a new id, after a restore",
        description="Shows both ids, and gives database and store a new one unless they are equal. From then on, an earlier "
        "store of this database, and another database that used this store, are refused.",
    )
    adopt.add_argument(
        "--yes", action="store_true", help="required if some of the database's first originals are not in the store"
    )


def _deadletters(add_parser: Commands, output: argparse.ArgumentParser) -> None:
    top = add_parser(
        "deadletters",
        help="dead letters: list, show, replay, drop",
        description="Dead letters: renditions that failed permanently, and messages that no worker could process. "
        + WITHOUT_HTTP.format("table"),
        epilog="Exit codes: 0 done; 1 failed for at least one dead letter; 2 wrong usage; 3 the database does not answer.",
    )
    actions = top.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", parents=[output], help="list dead letters, newest first")
    add_length(listing, count)
    _code(listing)
    actions.add_parser("show", parents=[output], help="show one dead letter in full").add_argument("id", type=int, metavar="ID")
    replay = actions.add_parser(
        "replay",
        parents=[output],
        help="retry, and remove the dead letter",
        description="Queues the failed rendition again with all its attempts, or resends the message. Removes the dead letter.",
    )
    drop = actions.add_parser("drop", parents=[output], help="remove dead letters; failed renditions stay failed")
    for chosen in (replay, drop):
        chosen.add_argument("id", type=int, nargs="*", metavar="ID")
        chosen.add_argument("--all", action="store_true", help="all dead letters")
        _code(chosen)
    drop.add_argument("--yes", action="store_true", help="required with --all")


def _code(options: argparse.ArgumentParser) -> None:
    options.add_argument("--code", metavar="CODE", help="only dead letters with this code, such as decoder_timeout")


def seconds(text: str) -> float:
    """Parse a duration. argparse uses this function's name in `invalid seconds value`."""
    number = _at_least(0, float(text))
    if number > 100 * 365 * 86400:
        raise ValueError
    return number


def weight(text: str) -> float:
    number = float(text)
    if not 0 < number <= MAX_WEIGHT:
        raise ValueError
    return number


def count(text: str) -> int:
    return int(_at_least(1, int(text)))


def _at_least(least: float, number: float) -> float:
    if not least <= number < float("inf"):
        raise ValueError
    return number
