"""`imagectl owners`: what owners have, and what they may have."""

from argparse import Namespace
from functools import partial

from internal.cli.admin import run_admin
from internal.cli.owner_data import delete, export
from internal.cli.owner_quotas import change_owner, list_owners, show_owner

ACTIONS = {"list": list_owners, "show": show_owner, "set": change_owner, "export": export, "delete": delete}


def owners(args: Namespace) -> int:
    """Run an action."""
    return run_admin(partial(ACTIONS[args.action], args))
