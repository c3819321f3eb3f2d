"""`imagectl store`: which object store the database belongs to."""

import json
from argparse import Namespace
from functools import partial

import msgspec

from internal.cli.admin import operate
from internal.cli.errors import EXIT_FAILED, CommandError
from internal.maintenance.store_identity import Pairing, StoreSite, adopt, look
from internal.settings.sections import Settings
from internal.wiring.operator import open_store_site


def store(typed: Namespace) -> int:
    """`show` says what is there, and fails when the two don't belong together; `adopt` makes them."""
    return operate(partial({"show": _show, "adopt": _adopt}[typed.action], typed))


async def _show(typed: Namespace, settings: Settings) -> int:
    async with open_store_site(settings) as site:
        pairing = await look(site)
        _tell(pairing, site, typed)
    return 0 if pairing.fits else EXIT_FAILED


async def _adopt(typed: Namespace, settings: Settings) -> int:
    async with open_store_site(settings) as site:
        pairing = await look(site)
        _tell(pairing, site, typed)
        if pairing.fits:
            return 0
        if pairing.found < pairing.originals and not typed.yes:
            raise CommandError(
                f"{pairing.originals - pairing.found} of the database's first {pairing.originals} originals are not in this "
                "store. Is it mounted, and the right one? Nothing was changed; with --yes it is adopted all the same."
            )
        if not typed.json:
            print("Giving both a new id. Another database that used this store can no longer use it, nor this one another store.")
        store_id = await adopt(site)
    print(
        json.dumps({"adopted": str(store_id)}) if typed.json else f"Both hold {store_id} now. Running processes need no restart."
    )
    return 0


def _tell(pairing: Pairing, site: StoreSite, typed: Namespace) -> None:
    if typed.json:
        print(json.dumps({**msgspec.to_builtins(pairing), "place": site.place, "fits": pairing.fits}))
        return
    held = pairing.held or "no id"
    print(f"database   {pairing.expected or 'no id'}")
    print(f"store      {held if pairing.is_there else 'not there'}  {site.place}")
    print(f"originals  {pairing.found} of the database's first {pairing.originals} are in this store")
    print("They belong together." if pairing.fits else "They do not belong together.")
