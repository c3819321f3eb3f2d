"""What can be typed of the commands that operators have beside everybody's."""

import argparse
from collections.abc import Callable

DAY = 86_400.0

DIRECTLY = (
    "No HTTP call does this: the command works on the service's own {}, with its settings from the environment and config/, as "
    "`make migrate` does. APP_PROFILE=standalone finds a `make run`."
)
"""Said in each command's --help."""

Commands = Callable[..., argparse.ArgumentParser]


def add_operator_commands(add_parser: Commands) -> None:
    """`add_parser` is argparse's own."""
    said = argparse.ArgumentParser(add_help=False)
    said.add_argument("--json", action="store_true", help="print JSON, an object a line")
    _deadletters(add_parser, said)
    _store(add_parser, said)
    reconcile = add_parser(
        "reconcile",
        parents=[said],
        help="compare the object store with the database",
        description="Finds objects that nothing refers to, and rows whose object is missing or has another size, or with --read "
        "other bytes. " + DIRECTLY.format("database and object store"),
        epilog="Exit codes: 0 all is well or was mended, 1 something is wrong, 2 wrong usage, 3 database or store do not answer.",
    )
    reconcile.add_argument(
        "--fix",
        action="store_true",
        help="list unreferenced objects for removal, and make missing or damaged renditions again; an original can't be mended",
    )
    reconcile.add_argument(
        "--read",
        action="store_true",
        help="read every object that a row refers to, and compare its SHA-256: as long as it takes to read all of the store",
    )
    reconcile.add_argument(
        "--older-than", type=seconds, default=DAY, metavar="SECONDS", help="leave younger ones alone (default: a day)"
    )


def _store(add_parser: Commands, said: argparse.ArgumentParser) -> None:
    top = add_parser(
        "store",
        help="which object store the database belongs to: show, adopt",
        description="Database and object store hold one id, so that neither works with another than its own. "
        + DIRECTLY.format("database and object store"),
        epilog="Exit codes: 0 they belong together, 1 they do not, 2 wrong usage, 3 database or store do not answer.",
    )
    actions = top.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("show", parents=[said], help="which id each of them holds, and whether the store has the pictures")
    adopt = actions.add_parser(
        "adopt",
        parents=[said],
        help="let both hold a new id: after a restore",
        description="Says what it finds, and gives database and store a new id, unless they hold the same one already. A former "
        "store of this database, and another database that used this store, are refused from then on.",
    )
    adopt.add_argument(
        "--yes", action="store_true", help="needed when some of the database's first originals are not in the store"
    )


def _deadletters(add_parser: Commands, said: argparse.ArgumentParser) -> None:
    top = add_parser(
        "deadletters",
        help="what stopped for good: list, show, replay, drop",
        description="What stopped for good: renditions that failed, and messages that no worker could take. "
        + DIRECTLY.format("table"),
        epilog="Exit codes: 0 done, 1 one of the letters could not be, 2 wrong usage, 3 the database does not answer.",
    )
    actions = top.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", parents=[said], help="list letters, newest first")
    listing.add_argument("--limit", type=count, default=50, metavar="N", help="at most so many (default: %(default)s)")
    listing.add_argument("--all", action="store_true", help="every one")
    _code(listing)
    actions.add_parser("show", parents=[said], help="all that a letter tells").add_argument("id", type=int, metavar="ID")
    replay = actions.add_parser(
        "replay",
        parents=[said],
        help="try again, and remove the letter",
        description="Queues the failed rendition again with all its tries, or sends the message again, and removes the letter.",
    )
    drop = actions.add_parser("drop", parents=[said], help="remove letters; what failed stays failed")
    for chosen in (replay, drop):
        chosen.add_argument("id", type=int, nargs="*", metavar="ID")
        chosen.add_argument("--all", action="store_true", help="every letter there is")
        _code(chosen)
    drop.add_argument("--yes", action="store_true", help="needed with --all")


def _code(options: argparse.ArgumentParser) -> None:
    options.add_argument("--code", metavar="CODE", help="only letters with this code, such as decoder_timeout")


def seconds(text: str) -> float:
    """Named for argparse, which says `invalid seconds value`."""
    number = _at_least(0, float(text))
    if number > 100 * 365 * 86400:
        raise ValueError
    return number


def count(text: str) -> int:
    return int(_at_least(1, int(text)))


def _at_least(least: float, number: float) -> float:
    if not least <= number < float("inf"):
        raise ValueError
    return number
