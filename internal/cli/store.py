"""`imagectl store`: show or adopt the object store that belongs to the database."""

import json
from argparse import Namespace
from functools import partial

import msgspec

from internal.cli.admin import run_admin
from internal.cli.errors import EXIT_FAILED, CommandError
from internal.maintenance.store_identity import Pairing, StoreSite, adopt, look
from internal.settings.sections import Settings
from internal.wiring.operator import open_store_site


def store(args: Namespace) -> int:
    """`show` prints both ids, and fails if they differ. `adopt` gives both a new id."""
    return run_admin(partial({"show": _show, "adopt": _adopt}[args.action], args))


async def _show(args: Namespace, settings: Settings) -> int:
    async with open_store_site(settings) as site:
        pairing = await look(site)
        _print_outcome(pairing, site, args)
    return 0 if pairing.fits else EXIT_FAILED


async def _adopt(args: Namespace, settings: Settings) -> int:
    async with open_store_site(settings) as site:
        pairing = await look(site)
        _print_outcome(pairing, site, args)
        if pairing.fits:
            return 0
        if pairing.found < pairing.originals and not args.yes:
            raise CommandError(
                f"{pairing.originals - pairing.found} of the database's first {pairing.originals} originals are not in this "
                "store. Is it mounted, and the right one? Nothing was changed. --yes adopts it anyway."
            )
        if not args.json:
            print("Giving both a new id. No other database can use this store from now on, and this database no other store.")
        store_id = await adopt(site)
    print(
        json.dumps({"adopted": str(store_id)})
        if args.json
        else f"Both have the id {store_id} now. Running processes need no restart."
    )
    return 0


def _print_outcome(pairing: Pairing, site: StoreSite, args: Namespace) -> None:
    if args.json:
        print(json.dumps({**msgspec.to_builtins(pairing), "place": site.place, "fits": pairing.fits}))
        return
    held = pairing.held or "no id"
    print(f"database   {pairing.expected or 'no id'}")
    print(f"store      {held if pairing.is_there else 'not there'}  {site.place}")
    print(f"originals  {pairing.found} of the database's first {pairing.originals} are in this store")
    print("They belong together." if pairing.fits else "They do not belong together.")
