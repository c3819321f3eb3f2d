"""Which statements a test's own calls send."""

import asyncio
from collections.abc import Collection
from typing import Any

import psycopg
import pytest

from tests.integration.test_plans import statements

NAMES = {text: name for name, text in statements().items()}


def sent_statements(monkeypatch: pytest.MonkeyPatch, *, beside: Collection[str] = ()) -> list[str]:
    """The names of the statements that this task sends from now on, as they are sent. `beside`: those of any other task, too."""
    names: list[str] = []
    execute, this = psycopg.AsyncConnection.execute, asyncio.current_task()

    async def noted(self: Any, query: Any, *rest: Any, **more: Any) -> Any:
        name = NAMES.get(query, str(query))
        if asyncio.current_task() is this or name in beside:
            names.append(name)
        return await execute(self, query, *rest, **more)

    monkeypatch.setattr(psycopg.AsyncConnection, "execute", noted)
    return names
