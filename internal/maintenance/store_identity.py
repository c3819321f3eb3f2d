"""The store identity: an id that a database and its object store both hold, so that neither is used with another.

`establish` is part of migrate; `adopt` is for operators, after a restore. Both check the database's first originals: a store that
has them is the right one.
"""

from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import structlog
from msgspec import Struct

from internal.domain.errors import ObjectNotFound, StoreMissing, StoreRefused
from internal.domain.keys import STORE_ID_KEY
from internal.ports.object_store import IdentifiableStore
from internal.ports.repository.references import References
from internal.ports.repository.store_identity import StoreIdentity

log = structlog.get_logger(__name__)

ORIGINALS = 10
"""How many of the database's oldest originals a store must have to be accepted as its own."""

ADOPT = "If it is the right one all the same, `imagectl store adopt` makes the two belong together."
LOST = "If what was in it is lost for good, `imagectl store adopt --yes` begins a new one."


class StoreSite(Struct, frozen=True):
    """A database, a store, and how to create the store's folder or bucket. `place` names it in messages."""

    identity: StoreIdentity
    references: References
    store: IdentifiableStore
    create: Callable[[], Awaitable[None]]
    place: str


class Pairing(Struct, frozen=True):
    """The id that the database expects, the id that the store holds, and whether the store exists.

    `found`: how many of the database's first `originals` are in the store.
    """

    expected: UUID | None
    held: UUID | None
    is_there: bool
    originals: int
    found: int

    @property
    def fits(self) -> bool:
        return self.expected is not None and self.expected == self.held


async def look(site: StoreSite) -> Pairing:
    """Read the pairing. Changes nothing. Raises StoreUnavailable and DatabaseUnavailable."""
    expected = await site.identity.find()
    listed = await site.references.page(after=None, older_seconds=0, limit=ORIGINALS)
    originals = [reference.key for reference in listed if reference.rendition is None]
    try:
        held = await site.store.read_id()
    except StoreMissing:
        return Pairing(expected, None, False, len(originals), 0)
    found = [key for key in originals if await _is_stored(key, site.store)]
    return Pairing(expected, held, True, len(originals), len(found))


async def _is_stored(key: str, store: IdentifiableStore) -> bool:
    try:
        await store.stat(key)
    except ObjectNotFound:
        return False
    return True


async def establish(site: StoreSite) -> None:
    """Give database and store one id, if neither has one and they belong together. May be repeated, also after a kill.

    They belong together if the database has no image, or if the store has the database's first originals. Raises StoreRefused,
    which says what to do, if they don't, or if only one of them has an id or the ids differ.

    INVARIANT: a store that is empty, not mounted or another database's is never accepted as this one's, and nothing is created
    in its place (tests/integration/test_store_identity.py::test_a_store_that_is_not_the_databases_own_is_refused).
    """
    pairing = await look(site)
    if pairing.fits:
        return
    chosen = await site.identity.chosen()
    if pairing.held is not None and pairing.held == chosen:
        await site.identity.establish(chosen)  # migrate was killed just before
        return
    if (reason := _refusal(pairing, site.place)) is not None:
        raise StoreRefused(f"{reason} Nothing was made. {ADOPT if pairing.is_there else LOST}")
    await site.create()
    chosen = await site.identity.choose(uuid4())
    await site.store.write_id(chosen)
    if await site.store.read_id() != chosen:
        raise StoreRefused(f"Another database was faster to take the object store in {site.place}. {ADOPT}")
    await site.identity.establish(chosen)
    log.info("store.established", id=str(chosen))


def _refusal(pairing: Pairing, place: str) -> str | None:
    """Why this store gets no id; None if it may get one."""
    if not pairing.is_there and (pairing.expected is not None or pairing.originals):
        return f"There is no object store in {place}, and the database belongs to one. Mount it, or restore it."
    if pairing.expected is not None and pairing.held is None:
        return (
            f"The object store in {place} holds no id ({STORE_ID_KEY}), and the database belongs to one that does. It may be "
            "empty, not mounted, or another one."
        )
    if pairing.held is not None:
        return f"The object store in {place} belongs to another database, or to an earlier one."
    if pairing.found < pairing.originals:
        return (
            f"The database has images, and {pairing.found} of its first {pairing.originals} originals are in the object store in "
            f"{place}. It may be empty, not mounted, or another one."
        )
    return None


async def adopt(site: StoreSite) -> UUID:
    """Give both a new id, whatever they held. A former store, or another database, that holds an old id is refused from then on.

    May be repeated after a kill. Creates the store's folder or bucket if it is missing.
    """
    await site.create()
    store_id = uuid4()
    await site.identity.replace(store_id)
    await site.store.write_id(store_id)
    log.info("store.adopted", id=str(store_id))
    return store_id
