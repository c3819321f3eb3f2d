"""Fair queueing: the order in which the owners' tasks are claimed."""

import asyncio
import random
from collections import Counter, defaultdict
from fractions import Fraction
from uuid import UUID

import pytest

from internal.domain.errors import DecoderFailed
from internal.domain.events import EventType, new_event
from internal.domain.identity import ANONYMOUS
from internal.domain.ids import new_id
from internal.domain.image import Image, Original
from internal.domain.keys import original_key
from internal.domain.message import MessageContext
from internal.domain.owner import Owner
from internal.domain.rendition import Claim, Lane, Rendition
from internal.domain.status import Status
from internal.domain.tasks import CHANNEL, Task, task_message
from internal.library.renditions import retry_failed
from internal.maintenance.requeue import requeue_stalled
from internal.rendering.transitions import HOUSEKEEPING
from tests.integration.service import Service

MEGAPIXEL = (1000, 1000)
TINY = (8, 8)


async def ask(
    service: Service, owner: str, *, size: tuple[int, int] = TINY, lane: Lane = Lane.FAST, renditions: int = 1, request: str = ""
) -> UUID:
    """An image of the owner's whose renditions wait. There are no bytes behind it."""
    id_ = new_id()
    key = original_key(id_)
    await service.repository.pending_objects.reserve(key, seconds=60)
    wanted = [Rendition(new_id(), id_, f"r{number}", "flip", "flip", lane) for number in range(renditions)]
    original = Original(key, "image/jpeg", 1, "0", *size, filename=None, orientation=1)
    now = (await service.session.rows("SELECT now() AS now"))[0]["now"]
    image = Image(id_, owner, Status.UPLOADED, original, "{}", now, now, tuple(wanted))
    tasks = [(CHANNEL[lane], task_message(id_, lane, MessageContext(request or None)))]
    await service.repository.images.add(image, tasks, new_event(EventType.IMAGE_UPLOADED, id_, owner))
    return id_


async def set_weight(service: Service, owner: str, weight: float) -> None:
    async with service.repository.transaction() as work:
        row = await work.owners.lock(owner)
        await work.owners.save(Owner(row.owner, weight, None, None, None, row.created_at, row.updated_at))


async def next_claim(service: Service, lane: Lane = Lane.FAST) -> Claim | None:
    return await service.worker.transitions.claim_waiting(lane)


async def serve(service: Service, lane: Lane = Lane.FAST) -> Claim | None:
    """Claim what is next, and be done with it."""
    if (claim := await next_claim(service, lane)) is not None:
        await service.session.run("UPDATE renditions SET status = 'processed' WHERE id = %(id)s", {"id": claim.rendition_id})
    return claim


async def order(service: Service, lane: Lane = Lane.FAST) -> str:
    """The owners of all that waits, as they are served."""
    served = []
    while (claim := await serve(service, lane)) is not None:
        served.append(claim.owner)
    return "".join(served)


async def test_one_owner_s_tasks_are_served_as_they_came(service: Service) -> None:
    asked = [await ask(service, "a", size=MEGAPIXEL if number % 3 else TINY, renditions=1 + number % 2) for number in range(9)]

    served = []
    while (claim := await serve(service)) is not None:
        served.append(claim.image_id)

    assert list(dict.fromkeys(served)) == asked


async def test_owners_take_turns_however_many_tasks_one_of_them_has(service: Service) -> None:
    for owner in "aaaaaabbbc":
        await ask(service, owner)

    assert await order(service) == "abcababaaa"


async def test_who_comes_to_a_full_queue_waits_for_one_task_of_each_other_owner(service: Service) -> None:
    for owner in "abcd" * 6:
        await ask(service, owner)
    for _ in range(9):
        await serve(service)

    await ask(service, "e")

    assert "e" in (await order(service))[: 4 + 1]


async def test_shares_are_by_weight(service: Service) -> None:
    await set_weight(service, "b", 3)
    for owner in "aaaaaabbbbbbbbbbbb":
        await ask(service, owner)

    assert Counter((await order(service))[:12]) == {"a": 3, "b": 9}


async def test_large_pictures_and_many_renditions_are_dearer(service: Service) -> None:
    """12 megapixels cost four times a small picture, and four renditions four times one."""
    for _ in range(3):
        await ask(service, "l", size=(4000, 3000))
        await ask(service, "m", renditions=4)
    for _ in range(12):
        await ask(service, "s")

    served = await order(service)

    assert Counter(served[: served.rindex("l")]) == {"l": 2, "m": 8, "s": 8}


async def test_each_lane_has_an_order_of_its_own(service: Service) -> None:
    for _ in range(3):
        await ask(service, "a")
    await ask(service, "a", lane=Lane.SLOW)
    await ask(service, "b", lane=Lane.SLOW)

    assert await order(service, Lane.SLOW) == "ab"
    assert await order(service) == "aaa"


@pytest.mark.parametrize("seed", range(3))
async def test_backlogged_owners_get_their_shares_within_a_task_of_each(service: Service, seed: int) -> None:
    """The bound of start-time fair queueing (Goyal, Vin, Cheng 1996, theorem 1), at every moment of a random history.

    In any interval in which both have tasks waiting, what two owners get for their weights differs by no more than the largest
    task of each for its weight. Others come and go meanwhile.
    """
    chance = random.Random(seed)
    weights = {"a": 1, "b": 2, "c": 5}
    costs = {TINY: Fraction(1), (2000, 2000): Fraction(2), (4000, 3000): Fraction(4)}
    for owner, weight in weights.items():
        await set_weight(service, owner, weight)
    cost_of: dict[UUID, Fraction] = {}
    waiting: Counter[str] = Counter()

    async def add(owner: str) -> None:
        size = chance.choice(list(costs))
        cost_of[await ask(service, owner, size=size)] = costs[size]
        waiting[owner] += 1

    for owner in weights:
        for _ in range(3):
            await add(owner)
    got: defaultdict[str, Fraction] = defaultdict(Fraction)
    history: list[dict[str, Fraction]] = [dict.fromkeys(weights, Fraction(0))]
    for _ in range(60):
        if chance.random() < 0.3:
            await add(chance.choice("xyz"))
        claim = await serve(service)
        assert claim is not None
        waiting[claim.owner] -= 1
        got[claim.owner] += cost_of[claim.image_id]
        while claim.owner in weights and waiting[claim.owner] < 3:
            await add(claim.owner)
        history.append({owner: got[owner] / weight for owner, weight in weights.items()})

    largest = max(costs.values())
    for one, weight in weights.items():
        for other, other_weight in weights.items():
            ahead = [moment[one] - moment[other] for moment in history]
            rounding = Fraction(len(history), 1000)  # tags are whole numbers
            assert max(ahead) - min(ahead) <= largest / weight + largest / other_weight + rounding


async def test_who_was_alone_before_is_not_behind_those_who_come_later(service: Service) -> None:
    """Its tags do not go on from where they were when nothing waited."""
    for _ in range(20):
        await ask(service, "a")
    assert await order(service) == "a" * 20
    for owner in "bbbbaaaa":
        await ask(service, owner)

    served = await order(service)

    assert [sorted(served[turn : turn + 2]) for turn in range(0, 8, 2)] == [["a", "b"]] * 4


async def test_what_is_stored_at_the_same_moment_is_one_place_each_at_most(service: Service) -> None:
    """Transactions that do not see each other give equal tags; whoever comes then waits for those, and no longer."""
    at_once = 6
    await asyncio.gather(*(ask(service, "a") for _ in range(at_once)))
    for _ in range(20):
        await ask(service, "a")
    await ask(service, "b")

    assert "b" in (await order(service))[: at_once + 1]


async def test_many_claim_at_once_and_each_gets_another_task(service: Service) -> None:
    asked = {await ask(service, owner) for owner in "ab" * 20}

    async def claim_all() -> list[UUID]:
        claimed = []
        while (claim := await next_claim(service)) is not None:
            claimed.append(claim.image_id)
        return claimed

    claimed = [image_id for some in await asyncio.gather(*(claim_all() for _ in range(8))) for image_id in some]

    assert sorted(claimed) == sorted(asked)


async def test_what_is_left_of_a_task_in_hand_is_taken_by_nobody_else(service: Service) -> None:
    in_hand, other = await ask(service, "a", renditions=2), await ask(service, "a")

    claims = [await next_claim(service) for _ in range(3)]

    assert [claim and claim.image_id for claim in claims] == [in_hand, other, None]
    rest = await service.worker.transitions.claim(Task(in_hand, Lane.FAST))
    assert rest is not None
    assert rest.name == "r1"


async def test_what_is_left_of_a_dead_worker_s_task_is_taken(service: Service) -> None:
    abandoned = await ask(service, "a", renditions=2)
    claim = await next_claim(service)
    assert claim is not None
    await service.let_lease_run_out(claim)

    left = await next_claim(service)

    assert left is not None
    assert (left.image_id, left.name) == (abandoned, "r1")


async def test_an_image_that_is_locked_is_skipped_and_its_own_message_waits_for_it(service: Service) -> None:
    first, second = await ask(service, "a"), await ask(service, "b")
    transitions = service.worker.transitions
    async with service.repository.transaction() as work:
        await work.images.lock(first)
        claim = await transitions.claim_next(Task(first, Lane.FAST))
        assert claim is not None
        assert claim.image_id == second
        waits = asyncio.create_task(transitions.claim_next(Task(first, Lane.FAST)))
        await asyncio.wait([waits], timeout=0.2)
        assert not waits.done()

    locked = await waits

    assert locked is not None
    assert locked.image_id == first


async def test_a_task_that_was_postponed_is_queued_behind_and_not_before_it_is_due(service: Service) -> None:
    failing = await ask(service, "a", request="its own")
    claim = await next_claim(service)
    assert claim is not None
    for owner in "aab":
        await ask(service, owner)

    await service.worker.transitions.finish(claim, DecoderFailed(), HOUSEKEEPING.of(claim, None))
    assert await order(service) == "aba"
    await service.make_due(failing)

    assert (again := await next_claim(service)) is not None
    assert (again.image_id, again.attempts, again.request_id) == (failing, 2, "its own")
    [message] = await service.session.rows(
        "SELECT headers FROM outbox WHERE key = %(id)s ORDER BY id DESC LIMIT 1", {"id": str(failing)}
    )
    assert message["headers"] == {"x-request-id": "its own"}


async def test_an_attempt_that_is_released_or_whose_worker_died_is_among_the_next_again(service: Service) -> None:
    released, abandoned = await ask(service, "a"), await ask(service, "a")
    claims = [await next_claim(service), await next_claim(service)]
    for owner in "aabb":
        await ask(service, owner)
    assert claims[0] is not None
    assert claims[1] is not None

    assert await service.worker.transitions.release(claims[0])
    await service.let_lease_run_out(claims[1])
    assert await requeue_stalled(service.worker.transitions) == 1

    first = [claim.image_id for claim in [await serve(service) for _ in range(4)] if claim]  # as early as the first of each owner
    assert {released, abandoned} <= set(first)


async def test_what_older_code_added_is_claimed_by_its_own_message(service: Service) -> None:
    tagged, old = await ask(service, "a"), await ask(service, "b")
    await service.session.run(
        "UPDATE renditions SET start_tag = NULL, finish_tag = NULL, tag_owner = NULL WHERE image_id = %(id)s", {"id": old}
    )
    transitions = service.worker.transitions

    claims = [await transitions.claim_next(Task(old, Lane.FAST)), await transitions.claim_next(Task(tagged, Lane.FAST))]

    assert [claim and claim.image_id for claim in claims] == [old, tagged]
    assert await next_claim(service) is None


async def test_a_tag_far_below_is_claimed_by_its_own_message_or_by_the_next_whole_scan(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a task that was deferred for long. Scans begin behind what was claimed."""
    monkeypatch.setattr("internal.repository.fair.TagFloor.DELAY_SECONDS", 0.0)
    floor = service.repository.renditions._floors.claimed[Lane.FAST]  # type: ignore[attr-defined]
    monkeypatch.setattr(floor, "_whole_at", float("inf"))
    monkeypatch.setattr(floor, "_turns_at", 0.0)  # another test's claim has delayed it
    low, lower = await ask(service, "a"), await ask(service, "a")
    await service.session.run("UPDATE renditions SET start_tag = 1, due_at = now() + interval '1 h'")
    for owner in "bbbb":
        await ask(service, owner)
    while await serve(service) is not None:  # the floor rises
        pass
    for image_id in (low, lower):
        await service.make_due(image_id)
    assert await next_claim(service) is None

    own = await service.worker.transitions.claim_next(Task(low, Lane.FAST))
    assert own is not None
    assert own.image_id == low

    monkeypatch.setattr(floor, "_whole_at", 0.0)
    found = await next_claim(service)
    assert found is not None
    assert found.image_id == lower


async def test_what_is_asked_for_later_or_retried_is_tagged_with_its_request(service: Service) -> None:
    image_id = await ask(service, ANONYMOUS, request="first")
    await ask(service, "b")
    await service.session.run("UPDATE renditions SET status = 'failed' WHERE image_id = %(id)s", {"id": image_id})
    async with service.repository.transaction() as work:
        await retry_failed(work, service.policy, ANONYMOUS, image_id, MessageContext("retry"))
        await service.ask(work, image_id, "further", "resize:9x9", MessageContext("further"))

    claims = [await serve(service) for _ in range(3)]

    assert [claim and (claim.owner, claim.request_id) for claim in claims] == [
        ("b", None),
        (ANONYMOUS, "retry"),
        (ANONYMOUS, "further"),
    ]


async def test_a_deleted_image_leaves_its_message_to_another_task(service: Service) -> None:
    gone, other = await ask(service, ANONYMOUS), await ask(service, "b")
    await service.delete(gone)

    claim = await service.worker.transitions.claim_next(Task(gone, Lane.FAST))

    assert claim is not None
    assert claim.image_id == other
    assert await service.worker.transitions.claim_next(Task(gone, Lane.FAST)) is None
