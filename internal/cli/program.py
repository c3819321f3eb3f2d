"""imagectl: from what was typed to an exit code."""

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence

from internal.cli import commands
from internal.cli.arguments import parser
from internal.cli.connection import Connection
from internal.cli.errors import EXIT_FAILED, CommandError
from internal.cli.reprocess import reprocess


def _demo(connection: Connection, typed: Namespace) -> int:
    from internal.cli.demo import demonstrate  # draws pictures: no other command needs libvips

    return demonstrate(connection, typed)


def _deadletters(typed: Namespace) -> int:
    from internal.cli.deadletters import deadletters  # as below: no command over HTTP needs the database's libraries

    return deadletters(typed)


def _reconcile(typed: Namespace) -> int:
    from internal.cli.reconcile import compare

    return compare(typed)


def _store(typed: Namespace) -> int:
    from internal.cli.store import store

    return store(typed)


OPERATORS: dict[str, Callable[[Namespace], int]] = {"deadletters": _deadletters, "reconcile": _reconcile, "store": _store}

COMMANDS: dict[str, Callable[..., int]] = {
    "upload": commands.upload,
    "status": commands.status,
    "get": commands.get,
    "list": commands.list_images,
    "delete": commands.delete,
    "retry": commands.retry,
    "reprocess": reprocess,
    "demo": _demo,
}


def run(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command line, by default this process's; returns the exit code. Errors are one line on stderr."""
    typed = parser().parse_args(arguments)
    try:
        if typed.command in OPERATORS:
            return OPERATORS[typed.command](typed)
        with Connection(typed.address, patience=typed.retry) as connection:
            return COMMANDS[typed.command](connection, typed)
    except CommandError as error:
        print(f"imagectl: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("imagectl: interrupted", file=sys.stderr)
        return EXIT_FAILED
    except BrokenPipeError:  # `imagectl list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
