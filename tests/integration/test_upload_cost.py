"""What an upload costs the database: so many statements, and not one more."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from tests import pictures
from tests.integration.service import Service
from tests.integration.test_plans import statements

LARGE = pictures.jpeg() + bytes(6 * 2**20)

NAMES = {text: name for name, text in statements().items()}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of the statements that are sent, and `BEGIN` and `COMMIT` around those of a transaction."""
    names: list[str] = []
    execute, transaction = psycopg.AsyncConnection.execute, psycopg.AsyncConnection.transaction

    async def noted_execute(self: Any, query: Any, *rest: Any, **more: Any) -> Any:
        names.append(NAMES[query])
        return await execute(self, query, *rest, **more)

    @asynccontextmanager
    async def noted_transaction(self: Any) -> AsyncIterator[Any]:
        names.append("BEGIN")
        async with transaction(self) as work:
            yield work
        names.append("COMMIT")

    with monkeypatch.context() as patched:
        patched.setattr(psycopg.AsyncConnection, "execute", noted_execute)
        patched.setattr(psycopg.AsyncConnection, "transaction", noted_transaction)
        yield names


@pytest.mark.parametrize("data", [pictures.jpeg(), LARGE], ids=["small", "large"])
async def test_a_form_is_two_statements(service: Service, sent: list[str], data: bytes) -> None:
    """As before there was one intake for every door (df8a548). Neither is in a transaction."""
    await service.upload(data, renditions={"tiny": "resize:9x9"})

    assert sent == ["RESERVE_OBJECT", "ADD_IMAGE"]


@pytest.mark.parametrize("data", [pictures.jpeg(), LARGE], ids=["small", "large"])
async def test_an_idempotency_key_is_two_statements_more_and_a_transaction(
    service: Service, sent: list[str], data: bytes
) -> None:
    await service.upload(data, key="k")

    assert sent == ["TAKE_KEY", "RESERVE_OBJECT", "BEGIN", "ADD_IMAGE", "COMPLETE_KEY", "COMMIT"]
    sent.clear()
    await service.upload(data, key="k")
    assert sent == ["TAKE_KEY", "READ_KEY"]


async def test_a_refused_form_is_none_and_a_bad_chain_is_cleared_away(service: Service, sent: list[str]) -> None:
    with pytest.raises(Exception, match="empty"):
        await service.upload(b"")
    assert sent == []
    with pytest.raises(Exception, match="There is no operation"):
        await service.upload(pictures.jpeg(), "resise:9x9")
    assert sent == ["RESERVE_OBJECT", "UNMARK_OBJECT"]
