"""Command line of imagectl: its subcommands and options."""

import argparse
import os
from pathlib import Path
from typing import Never

from internal.cli.admin_arguments import add_admin_commands


def default_address() -> str:
    """Return IMAGECTL_ADDRESS, or else the address of `make run` and `make up`, which SERVER_HOST and SERVER_PORT change."""
    if address := os.environ.get("IMAGECTL_ADDRESS"):
        return address
    host = os.environ.get("SERVER_HOST") or "127.0.0.1"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://{f'[{host}]' if ':' in host else host}:{os.environ.get('SERVER_PORT') or 8080}"


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line. It stores the subcommand's name as `command`."""
    top = argparse.ArgumentParser(prog="imagectl", description="Client of the image processor.", epilog=_EXIT_CODES)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--address", default=default_address(), metavar="URL", help="the service (default: %(default)s)")
    shared.add_argument(
        "--key-file",
        type=Path,
        metavar="FILE",
        help="a file with an API key or a token (default: what is in IMAGECTL_KEY, or in the file of IMAGECTL_KEY_FILE)",
    )
    shared.add_argument("--key", type=_refused_key, help=argparse.SUPPRESS)  # argparse would take it for --key-file
    shared.add_argument("--json", action="store_true", help="print the service's JSON")
    shared.add_argument(
        "--retry",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="how long to retry while it is busy (%(default)g)",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, summary: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", parents=[shared])

    _upload(command("upload", "upload pictures"))
    _status(command("status", "show the status of an image"))
    _get(command("get", "download a picture"))
    _list(command("list", "list images, newest first"))
    command("delete", "delete images").add_argument("id", nargs="+")
    retry = command("retry", "queue the failed renditions of images again")
    retry.add_argument("id", nargs="+")
    _wait(retry)
    _link(command("link", "make a signed link to a picture, which needs no credential"))
    visibility = command("visibility", "let anybody read the renditions of images, or only their owner")
    visibility.add_argument("visibility", choices=["public", "private"])
    visibility.add_argument("id", nargs="+")
    reprocess = command("reprocess", "regenerate stale renditions: those whose preset has changed")
    reprocess.add_argument("--preset", metavar="NAME", help="only renditions that use this preset (default: all)")
    reprocess.add_argument("--dry-run", action="store_true", help="only show them")
    demo = command("demo", "draw pictures, and upload, process, download and delete them")
    demo.add_argument("--folder", type=Path, default=Path("demo"), help="where the results go (default: %(default)s)")
    add_admin_commands(commands.add_parser)
    return top


def _refused_key(_: str) -> Never:
    raise argparse.ArgumentTypeError("everybody sees command lines: set IMAGECTL_KEY, or name a file with the key in --key-file")


_EXIT_CODES = "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no service, database or store answers."


def _upload(options: argparse.ArgumentParser) -> None:
    options.add_argument("file", nargs="+", type=Path)
    options.add_argument("-p", "--processing", metavar="CHAIN", help="such as 'resize:300x300|format:webp'")
    options.add_argument(
        "-r", "--rendition", action="append", default=[], metavar="NAME=CHAIN", help="a named result; may be repeated"
    )
    options.add_argument("--metadata", metavar="JSON", help="a JSON object that is kept with the image")
    options.add_argument("--idempotency-key", metavar="KEY", help="a repeated upload with the same key returns the same image")
    _wait(options)


def _status(options: argparse.ArgumentParser) -> None:
    options.add_argument("id")
    _wait(options)


def _get(options: argparse.ArgumentParser) -> None:
    options.add_argument("id")
    _which(options)
    options.add_argument("-o", "--output", metavar="FILE", help="target file (default: named after the id; - for stdout)")
    _wait(options)


def _link(options: argparse.ArgumentParser) -> None:
    options.add_argument("id")
    _which(options)
    options.add_argument(
        "--expires", default="1h", metavar="TIME", help="its life, such as 30m, 12h or 7d (default: %(default)s)"
    )
    options.add_argument("--download", action="store_true", help="browsers save the picture, and do not show it")


def _which(options: argparse.ArgumentParser) -> None:
    which = options.add_mutually_exclusive_group()
    which.add_argument("-r", "--rendition", metavar="NAME", help="which result, when there are several")
    which.add_argument("--original", action="store_true", help="the picture as it was uploaded")


def _list(options: argparse.ArgumentParser) -> None:
    options.add_argument("--status", choices=["pending", "uploaded", "processing", "processed", "failed"])
    options.add_argument(
        "--limit", type=int, default=50, metavar="N", help="images on a page, at most 200 (default: %(default)s)"
    )
    options.add_argument("--cursor", metavar="CURSOR", help="cursor of a page, as printed below the page before it")
    options.add_argument("--all", action="store_true", help="all pages")


def _wait(options: argparse.ArgumentParser) -> None:
    options.add_argument(
        "-w",
        "--wait",
        type=float,
        nargs="?",
        const=30.0,
        default=0.0,
        metavar="SECONDS",
        help="wait until it is processed (30 s)",
    )
