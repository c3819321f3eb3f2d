"""`imagectl audit` on the real table."""

import json
from argparse import Namespace
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from internal.cli import audit
from internal.domain.audit import actor_of, new_entry
from internal.domain.identity import Credential, Principal
from internal.ports.repository.repository import Repository
from internal.settings.loader import load_settings
from internal.settings.sections import Settings
from tests.integration.service import Service


@pytest.fixture(autouse=True)
async def entries(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def opened(_: Settings) -> AsyncIterator[Repository]:
        yield service.repository

    monkeypatch.setattr(audit, "open_tables", opened)
    for number in range(5):
        await service.repository.audit.add(new_entry("imagectl:me", "key.created", f"key {number}", owner="shop\x1b[2J"))


async def listed(capsys: pytest.CaptureFixture[str], **options: object) -> tuple[list[str], str]:
    args = Namespace(**{"json": False, "limit": 50, "all": False, "target": None, **options})
    assert await audit._audit(args, load_settings({})) == 0
    out, err = capsys.readouterr()
    return out.splitlines(), err


async def test_entries_are_printed_newest_first(capsys: pytest.CaptureFixture[str]) -> None:
    lines, _ = await listed(capsys)

    assert [line.split('"')[1] for line in lines] == [f"key {number}" for number in (4, 3, 2, 1, 0)]
    assert "imagectl:me" in lines[0]
    assert "\x1b" not in lines[0]


async def test_more_than_the_limit_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    lines, told = await listed(capsys, limit=2)

    assert len(lines) == 2
    assert "there are more" in told


async def test_pages_follow_each_other(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "PAGE", 2)

    lines, told = await listed(capsys, all=True, json=True)

    assert [json.loads(line)["target"] for line in lines] == [f"key {number}" for number in (4, 3, 2, 1, 0)]
    assert told == ""


async def test_one_target(capsys: pytest.CaptureFixture[str]) -> None:
    lines, _ = await listed(capsys, target="key 3", json=True)

    assert [json.loads(line)["target"] for line in lines] == ["key 3"]


def test_the_actor_over_http_is_the_key_or_the_tokens_owner() -> None:
    assert actor_of(Principal("shop", frozenset(), Credential.KEY, "0192")) == "key:0192"
    assert actor_of(Principal("shop", frozenset(), Credential.JWT, "jti")) == "token:shop"
