"""The limits of uploads on PostgreSQL: the GCRA as one statement, exact for any number of callers, and the intake around it."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from internal.domain.errors import InvalidImage, NotFound, RateLimited, StoreUnavailable
from internal.domain.ids import new_id
from internal.domain.keys import original_key
from internal.domain.rates import Rate, UploadCost, UploadLevels
from internal.intake.options import UploadOptions
from internal.intake.upload import receive
from internal.limits.report import RateReport
from internal.limits.upload_rates import UploadRates
from internal.maintenance.owner_deletion import OwnerDeletion
from internal.maintenance.upload_buckets import NAME, UploadBucketsCleanup
from internal.postgres.pool import Pool
from tests import pictures
from tests.integration.housekeeping import housekeeping
from tests.integration.service import FormAtHand, Service
from tests.integration.test_intake import Bytes, prepared
from tests.integration.test_upload_cost import sent  # noqa: F401 - a fixture

SLOW = 10**7
"""Seconds of a window in which nothing to speak of comes back while a test runs."""

SHIFT = """
    UPDATE upload_buckets
       SET counted_at = counted_at - %(seconds)s * interval '1 s', empty_at = empty_at - %(seconds)s * interval '1 s'
     WHERE client = %(client)s
"""
"""As if so many seconds had passed."""

DATA = pictures.jpeg(60, 40)


@pytest.fixture(autouse=True)
async def no_buckets(service: Service) -> AsyncIterator[None]:
    yield
    await service.session.run("TRUNCATE upload_buckets")


def cost(client: str = "owner:a", *, uploads: Rate | None = None, upload_bytes: Rate | None = None, size: int = 0) -> UploadCost:
    return UploadCost(client, uploads, upload_bytes, size)


async def counted(service: Service, asked: UploadCost) -> UploadLevels | None:
    return await service.repository.pending_objects.reserve_counted(original_key(new_id()), asked, seconds=60)


async def shift(service: Service, seconds: float, client: str = "owner:a") -> None:
    await service.session.run(SHIFT, {"seconds": seconds, "client": client})


@pytest.mark.parametrize("seed", range(4))
async def test_the_statement_decides_as_the_model_does(service: Service, seed: int) -> None:
    """Over a window in which a real second is nothing."""
    dice = random.Random(seed)
    uploads, upload_bytes = Rate(dice.randint(1, 30), SLOW), Rate(dice.randint(100, 5000), SLOW)
    levels, refused = UploadLevels(), 0
    for _ in range(150):
        size = dice.randint(1, upload_bytes.allowed // 3) if dice.random() < 0.95 else 2 * upload_bytes.allowed
        asked = cost(uploads=uploads, upload_bytes=upload_bytes, size=size)
        seconds = dice.random() * dice.choice([0.0, 0.0, 0.5, 1.0, 9.0]) * SLOW / uploads.allowed
        await shift(service, seconds)
        fallen = UploadLevels(
            uploads.level_after(levels.uploads, seconds), upload_bytes.level_after(levels.upload_bytes, seconds)
        )
        fits = uploads.excess(fallen.uploads, 1) <= 0 and upload_bytes.excess(fallen.upload_bytes, size) <= 0
        now = await counted(service, asked)
        assert (now is not None) == fits
        levels = UploadLevels(fallen.uploads + 1, fallen.upload_bytes + size) if fits else fallen
        read = await service.repository.upload_buckets.levels(asked)
        assert read.uploads == pytest.approx(levels.uploads, abs=0.01)
        assert read.upload_bytes == pytest.approx(levels.upload_bytes, abs=1)
        refused += not fits
    assert 10 < refused < 140


async def test_so_many_at_once_and_no_more(service: Service, pool: Pool) -> None:
    """All connections of the pool at once, each with a statement of its own; also when the row is new to all of them."""
    for client in ("owner:a", "owner:b"):
        answers = await asyncio.gather(*(counted(service, cost(client, uploads=Rate(37, SLOW))) for _ in range(200)))
        assert sum(answer is not None for answer in answers) == 37
        assert sorted(round(answer.uploads) for answer in answers if answer) == list(range(1, 38)), "no level was given twice"
    assert await service.count("unreferenced_objects") == 2 * 37, "what was refused lists nothing"


async def test_what_was_used_comes_back_in_its_time(service: Service) -> None:
    asked = cost(uploads=Rate(4, SLOW))
    assert [await counted(service, asked) is not None for _ in range(6)] == [True] * 4 + [False] * 2
    await shift(service, SLOW / 4 * 0.99)
    assert await counted(service, asked) is None
    await shift(service, SLOW / 4 * 0.02)
    assert await counted(service, asked) is not None
    assert await counted(service, asked) is None
    await shift(service, 10 * SLOW)
    assert [await counted(service, asked) is not None for _ in range(6)] == [True] * 4 + [False] * 2


async def test_both_limits_count_together_or_not_at_all(service: Service) -> None:
    asked = cost(uploads=Rate(5, SLOW), upload_bytes=Rate(100, SLOW), size=60)
    assert await counted(service, asked) is not None
    assert await counted(service, asked) is None

    levels = await service.repository.upload_buckets.levels(asked)

    assert (round(levels.uploads), round(levels.upload_bytes)) == (1, 60)


async def test_more_bytes_than_the_limit_go_into_an_empty_bucket_and_are_waited_for(service: Service) -> None:
    large, small = (cost(upload_bytes=Rate(100, SLOW), size=size) for size in (250, 1))
    assert await counted(service, small) is not None
    assert await counted(service, large) is None
    await shift(service, SLOW / 100 * 1.01)
    assert await counted(service, large) is not None
    await shift(service, SLOW * 1.5)
    assert await counted(service, small) is None
    await shift(service, SLOW * 0.01)
    assert await counted(service, small) is not None


async def test_a_limit_that_is_taken_away_refuses_nothing(service: Service) -> None:
    for _ in range(9):
        await counted(service, cost(uploads=Rate(9, SLOW)))

    assert await counted(service, cost(upload_bytes=Rate(5, SLOW), size=5)) is not None
    assert await counted(service, cost(uploads=Rate(9, SLOW))) is None


async def test_a_row_that_a_later_transaction_has_written_gives_nothing_back(service: Service) -> None:
    """A statement's time is its transaction's: it may be before that of a row that it had to wait for."""
    asked = cost(uploads=Rate(2, SLOW))
    await counted(service, asked)
    await shift(service, -SLOW)  # written in the future

    assert await counted(service, asked) is not None
    assert await counted(service, asked) is None
    await shift(service, SLOW)  # which has come
    assert await counted(service, asked) is None


async def test_a_debt_of_any_size_has_a_time(service: Service) -> None:
    """A time in the year 50 million is beyond PostgreSQL's."""
    assert await counted(service, cost(upload_bytes=Rate(1, 31_622_400), size=50 * 2**20)) is not None
    assert await counted(service, cost(upload_bytes=Rate(1, 31_622_400), size=50 * 2**20)) is None


async def test_the_clock_of_a_process_has_no_effect(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = cost(uploads=Rate(2, 100))
    await counted(service, asked)
    await counted(service, asked)
    monkeypatch.setattr(time, "time", lambda: 9e9)
    assert await counted(service, asked) is None
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert await counted(service, asked) is None


# The intake


def rates(uploads: int | None = None, upload_bytes: int | None = None) -> UploadRates:
    return UploadRates(Rate(uploads, SLOW) if uploads else None, Rate(upload_bytes, SLOW) if upload_bytes else None)


class Sender:
    """Sends forms as one client; `read` counts the bodies of which something was asked for."""

    def __init__(self, service: Service, limits: UploadRates, client: str = "owner:a") -> None:
        self.service, self.limits, self.client = service, limits, client
        self.read = 0
        self.report = RateReport()

    async def send(
        self,
        data: bytes = DATA,
        *,
        announced: int | None = None,
        chunked: bool = False,
        broken: Exception | None = None,
        key: str | None = None,
        processing: str = "resize:9x9",
    ) -> UUID:
        sender = self

        class Counted(FormAtHand):
            async def content(self) -> AsyncIterator[bytes]:
                sender.read += 1
                async for piece in super().content():
                    yield piece

        self.report = RateReport()
        length = None if chunked else announced or len(data)
        meter = self.limits.meter(self.client, length, 10**6, self.report)
        form = Counted(data, UploadOptions(processing=processing), broken=broken)
        return await self.service.accept(form, key=key, meter=meter)

    async def levels(self) -> tuple[int, int]:
        asked = UploadCost(self.client, self.limits.uploads, self.limits.upload_bytes, 0)
        levels = await self.service.repository.upload_buckets.levels(asked)
        return round(levels.uploads), round(levels.upload_bytes)


async def test_who_has_used_it_up_is_refused_before_the_body_is_read(service: Service) -> None:
    here, elsewhere, other = (Sender(service, rates(2)) for _ in range(3))
    other.client = "owner:b"
    await here.send()
    await here.send()

    with pytest.raises(RateLimited) as refused:
        await here.send()

    assert (here.read, refused.value.limit, refused.value.used, refused.value.allowed) == (2, "uploads", 2, 2)
    assert refused.value.retry_seconds == pytest.approx(SLOW / 2, rel=0.01)
    with pytest.raises(RateLimited):  # a process that does not know yet
        await elsewhere.send()
    assert elsewhere.read == 1
    with pytest.raises(RateLimited):
        await elsewhere.send()
    assert elsewhere.read == 1
    await other.send()
    assert await service.listed() == set()


async def test_a_process_forgets_what_it_knows(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    sender = Sender(service, rates(1))
    await sender.send()
    await shift(service, 2 * SLOW)
    with pytest.raises(RateLimited):
        await sender.send()
    monkeypatch.setattr("internal.limits.upload_rates.KNOWN_SECONDS", 0.0)
    await sender.send()


async def test_an_upload_costs_no_statement_more(service: Service, sent: list[str]) -> None:  # noqa: F811
    sender = Sender(service, rates(3, 10**6))

    await sender.send()

    assert sent == ["RESERVE_COUNTED_OBJECT", "ADD_IMAGE"]
    states = {limit: state.available for limit, state in sender.report.states.items()}
    assert states == {"uploads": 2, "upload_bytes": 10**6 - len(DATA)}
    sent.clear()
    await sender.send(key="k")
    await sender.send(key="k")
    assert sent == ["TAKE_KEY", "RESERVE_COUNTED_OBJECT", "BEGIN", "ADD_IMAGE", "COMPLETE_KEY", "COMMIT", "TAKE_KEY", "READ_KEY"]
    sent.clear()
    await sender.send()
    with pytest.raises(RateLimited):
        await sender.send()
    assert sent == ["RESERVE_COUNTED_OBJECT", "ADD_IMAGE"], "a refusal that is known asks nobody"


async def test_an_answer_that_is_repeated_is_no_upload(service: Service) -> None:
    sender = Sender(service, rates(1))
    first = await sender.send(key="k")

    assert await sender.send(key="k") == first
    with pytest.raises(RateLimited):
        await sender.send(key="another")
    await service.session.run("TRUNCATE upload_buckets")
    sender.limits.forget("owner:a")
    assert await sender.send(key="another") != first, "a refusal releases its key"


async def test_what_is_announced_counts_and_what_did_not_come_is_given_back(service: Service) -> None:
    sender, data = Sender(service, rates(9, 500_000)), DATA + bytes(70_000)
    with pytest.raises(InvalidImage):
        await sender.send(b"")
    assert await sender.levels() == (0, 0), "it was refused before it was counted"

    with pytest.raises(ConnectionError):
        await sender.send(data, announced=200_000, broken=ConnectionError())

    assert await sender.levels() == (1, len(data)), "the upload counts, and the bytes that came"
    await sender.send(data, announced=200_000)
    assert await sender.levels() == (2, 200_000 + len(data))


async def test_without_a_length_the_largest_counts_until_the_end(service: Service) -> None:
    """Or a client that says nothing would exceed the limit by as many uploads as it sends at once."""
    sender = Sender(service, rates(9, 10_000))
    sizes = []

    class Slow(FormAtHand):
        async def content(self) -> AsyncIterator[bytes]:
            async for piece in super().content():
                yield piece
            sizes.append(await sender.levels())
            with pytest.raises(RateLimited):
                await sender.send(chunked=True)

    meter = sender.limits.meter(sender.client, None, 10**6, RateReport())
    await service.accept(Slow(pictures.jpeg() + bytes(70_000), UploadOptions()), meter=meter)

    assert sizes == [(1, 10**6)]
    assert await sender.levels() == (1, len(pictures.jpeg()) + 70_000)


async def test_a_failure_of_ours_gives_everything_back(service: Service) -> None:
    sender = Sender(service, rates(9, 500_000))
    with pytest.raises(StoreUnavailable):
        await sender.send(DATA + bytes(70_000), broken=StoreUnavailable())
    assert await sender.levels() == (0, 0)


async def test_what_has_leaked_is_not_given_back_as_well(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a slow upload without a length would pay for others with what has long come back."""
    sender = Sender(service, UploadRates(None, Rate(10**6, 100)))
    meter = sender.limits.meter(sender.client, None, 10**6, RateReport())
    meter.check()
    began = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: began + 60)
    given: list[float] = []

    class Noting:
        async def give_back(self, client: str, *, uploads: float, upload_bytes: float) -> None:
            given.append(upload_bytes)

    await meter.settle(Noting(), 0)  # type: ignore[arg-type]

    assert given == [pytest.approx(400_000, rel=0.01)]


async def test_an_upload_with_a_row_is_counted_as_it_begins(service: Service, sent: list[str]) -> None:  # noqa: F811
    limits = rates(1)
    upload = await prepared(service)
    sent.clear()
    meter = limits.meter("owner:a", len(DATA), 10**6, RateReport())
    await receive(upload, Bytes(DATA), service.repository, service.store, service.policy, meter)
    assert sent == ["BEGIN_COUNTED_UPLOAD", "EXTEND_UPLOAD"]
    before = await service.repository.uploads.find(upload.owner, upload.id)
    limits.forget("owner:a")

    with pytest.raises(RateLimited):
        await receive(upload, Bytes(DATA), service.repository, service.store, service.policy, meter)

    assert await service.repository.uploads.find(upload.owner, upload.id) == before, "its bytes are still there"
    missing = UploadCost("owner:b", Rate(1, SLOW), None, 1)
    with pytest.raises(NotFound):
        await service.repository.uploads.begin_counted(new_id(), "key", missing, expires_seconds=60, key_seconds=60)
    assert (await service.repository.upload_buckets.levels(missing)).uploads == 0


# The chore


async def test_buckets_that_are_empty_again_are_removed(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("internal.maintenance.upload_buckets.BATCH", 5)
    for number in range(12):
        await counted(service, cost(f"address:{number}", uploads=Rate(10, 100)))
    await counted(service, cost("owner:a", uploads=Rate(10, 100)))
    for number in range(12):
        await shift(service, 11, f"address:{number}")
    await shift(service, 8)

    cleanup = UploadBucketsCleanup(service.repository)

    assert await cleanup.run() == 12
    assert await service.count("upload_buckets") == 1
    await shift(service, 3)
    assert await cleanup.run() == 0, "not again at once"
    assert await UploadBucketsCleanup(service.repository).run() == 0, "another worker has the lease"


async def test_a_deleted_owners_bucket_goes_with_it(service: Service) -> None:
    for client in ("owner:a", "owner:b", "address:a"):
        await counted(service, cost(client, uploads=Rate(1, SLOW)))

    await OwnerDeletion(service.repository, service.store, "a", "imagectl:test", token_seconds=60).finish()

    rows = await service.session.rows("SELECT client FROM upload_buckets ORDER BY client")
    assert [row["client"] for row in rows] == ["address:a", "owner:b"]


async def test_housekeeping_does_it(service: Service) -> None:
    await counted(service, cost(uploads=Rate(10, 100)))
    await shift(service, 11)

    await housekeeping(service.worker).cleanup()

    assert await service.count("upload_buckets") == 0
    assert NAME == "purge_upload_buckets"
