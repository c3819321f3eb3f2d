"""The program imagectl: runs one command line and returns its exit code."""

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence

from internal.cli import commands, sharing
from internal.cli.arguments import parser
from internal.cli.credential import credential
from internal.cli.errors import EXIT_FAILED, CommandError
from internal.cli.reprocess import reprocess
from internal.cli.service_client import ServiceClient


def _demo(client: ServiceClient, args: Namespace) -> int:
    from internal.cli.demo import run_demo  # it draws pictures; no other command needs libvips

    return run_demo(client, args)


def _audit(args: Namespace) -> int:
    from internal.cli.audit import audit  # as below

    return audit(args)


def _deadletters(args: Namespace) -> int:
    from internal.cli.deadletters import deadletters  # as below: commands over HTTP don't need the database's libraries

    return deadletters(args)


def _keys(args: Namespace) -> int:
    from internal.cli.keys import keys

    return keys(args)


def _owners(args: Namespace) -> int:
    from internal.cli.owners import owners

    return owners(args)


def _tokens(args: Namespace) -> int:
    from internal.cli.tokens import tokens

    return tokens(args)


def _reconcile(args: Namespace) -> int:
    from internal.cli.reconcile import compare

    return compare(args)


def _store(args: Namespace) -> int:
    from internal.cli.store import store

    return store(args)


ADMIN_COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "audit": _audit,
    "keys": _keys,
    "tokens": _tokens,
    "deadletters": _deadletters,
    "owners": _owners,
    "reconcile": _reconcile,
    "store": _store,
}

COMMANDS: dict[str, Callable[..., int]] = {
    "upload": commands.upload,
    "status": commands.status,
    "get": commands.get,
    "list": commands.list_images,
    "delete": commands.delete,
    "retry": commands.retry,
    "link": sharing.link,
    "visibility": sharing.visibility,
    "reprocess": reprocess,
    "demo": _demo,
}


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line, by default that of this process, and return the exit code. Errors are one line on stderr."""
    args = parser().parse_args(arguments)
    try:
        if args.command in ADMIN_COMMANDS:
            return ADMIN_COMMANDS[args.command](args)
        with ServiceClient(args.address, credential(args.key_file), retry_seconds=args.retry) as client:
            return COMMANDS[args.command](client, args)
    except CommandError as error:
        print(f"imagectl: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("imagectl: interrupted", file=sys.stderr)
        return EXIT_FAILED
    except BrokenPipeError:  # `imagectl list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
