"""The audit's table."""

from internal.domain.audit import new_entry
from tests.integration.service import Service


async def test_entries_are_listed_newest_first_and_by_target(service: Service) -> None:
    audit = service.repository.audit
    entries = [new_entry("imagectl:me", "key.created", target, number=number) for number, target in enumerate("aba")]
    for entry in entries:
        await audit.add(entry)

    listed = await audit.page(limit=2)
    assert [entry.id for entry in listed] == [entries[2].id, entries[1].id]
    assert listed[0].details == {"number": 2}
    assert listed[0].time is not None
    assert [entry.id for entry in await audit.page(limit=2, before=listed[-1].id)] == [entries[0].id]
    assert [entry.id for entry in await audit.page(limit=9, target="b")] == [entries[1].id]


async def test_an_entry_is_rolled_back_with_its_action(service: Service) -> None:
    try:
        async with service.repository.transaction() as work:
            await work.audit.add(new_entry("imagectl:me", "key.created", "a"))
            raise RuntimeError  # the action fails
    except RuntimeError:
        pass
    assert await service.repository.audit.page(limit=9) == ()
