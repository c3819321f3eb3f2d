"""Subcommands that let others see a picture: signed links, and visibility."""

import json
from argparse import Namespace
from urllib.parse import urljoin

from internal.cli.durations import parse_duration
from internal.cli.service_client import ServiceClient


def link(client: ServiceClient, args: Namespace) -> int:
    """Print a link, complete with the service's address: where PUBLIC_URL is not set, the one that this command uses."""
    rendition = "original" if args.original else args.rendition
    disposition = "attachment" if args.download else None
    made = client.new_link(args.id, parse_duration(args.expires), rendition=rendition, disposition=disposition)
    made["url"] = urljoin(f"{client.address}/", made["url"])
    print(json.dumps(made) if args.json else made["url"])
    return 0


def visibility(client: ServiceClient, args: Namespace) -> int:
    for image_id in args.id:
        image = client.change(image_id, visibility=args.visibility)
        print(json.dumps(image) if args.json else f"{image['id']}  {image['visibility']}")
    return 0
