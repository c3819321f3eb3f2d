"""`imagectl owners list`, `show` and `set`, and the recount of `imagectl reconcile`, on the real tables."""

import json
from argparse import Namespace
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from internal.cli import owner_quotas, reconcile
from internal.cli.arguments import parser
from internal.cli.errors import UsageError
from internal.domain.owner import UNLIMITED
from internal.ports.repository.repository import Repository
from internal.settings.loader import load_settings
from internal.settings.sections import Settings
from tests.integration.service import Service
from tests.integration.usage import actual_usage, counted_usage, fold_all
from tests.pictures import jpeg

SETTINGS = load_settings({"QUOTA_BYTES": "1M"})


@pytest.fixture(autouse=True)
async def beside(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def tables(_: Settings) -> AsyncIterator[Repository]:
        yield service.repository

    @asynccontextmanager
    async def both(_: Settings) -> AsyncIterator[Any]:
        yield service.repository, service.store

    monkeypatch.setattr(owner_quotas, "open_tables", tables)
    monkeypatch.setattr(reconcile, "open_repository_and_store", both)
    await service.session.run("UPDATE usage_state SET recount_until = '-infinity', counted_at = now()")


Printed = tuple[int, list[str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Awaitable[Printed]]:
    actions = {"list": owner_quotas.list_owners, "show": owner_quotas.show_owner, "set": owner_quotas.change_owner}

    async def run(*words: str) -> Printed:
        capsys.readouterr()
        args: Namespace = parser().parse_args(words)
        work = actions[args.action] if args.command == "owners" else reconcile._compare
        code = await work(args, SETTINGS)
        return code, capsys.readouterr().out.splitlines()

    return run


async def test_quotas_are_set_and_shown(service: Service, run: Callable[..., Awaitable[Printed]]) -> None:
    code, lines = await run("owners", "set", "shop", "--images", "10", "--bytes", "none", "--queued", "2K", "--weight", "0.5")

    assert code == 0
    assert lines == [
        'owner   "shop"',
        "images  0 of 10 (set for this owner)",
        "bytes   0 of none (set for this owner)",
        "queued  0 of 2,048 (set for this owner)",
        "weight  0.5",
    ]
    assert (await run("owners", "show", "shop"))[1] == lines
    [entry] = await service.repository.audit.page(limit=9, target="shop")
    assert entry.actor.startswith("imagectl:")
    assert entry.details["after"] == {"weight": 0.5, "quota_images": 10, "quota_bytes": UNLIMITED, "quota_queued": 2048}

    assert (await run("owners", "set", "shop", "--bytes", "default"))[1][2] == "bytes   0 of 1,048,576 (configured)"


async def test_an_owner_of_whom_nothing_is_known(run: Callable[..., Awaitable[Printed]]) -> None:
    assert (await run("owners", "show", "nobody"))[0] == 1


@pytest.mark.parametrize(
    "words", [[], ["--images", "-1"], ["--bytes", "10GB"], ["--queued", "some"], ["--images", ""], ["--bytes", "NONE"]]
)
async def test_other_values_are_wrong_usage(words: list[str], service: Service, run: Callable[..., Awaitable[Printed]]) -> None:
    with pytest.raises(UsageError):
        await run("owners", "set", "shop", *words)

    assert await service.count("owners") == 0


async def test_owners_are_listed(service: Service, run: Callable[..., Awaitable[Printed]]) -> None:
    await service.upload(jpeg())
    await fold_all(service)
    await run("owners", "set", "shop", "--weight", "2")

    assert (await run("owners", "list"))[1] == [
        f'"anonymous"  images 1 of none  bytes {len(jpeg()):,} of 1,048,576  queued 1 of none  weight 1',
        '"shop"  images 0 of none  bytes 0 of 1,048,576  queued 0 of none  weight 2',
    ]
    first, second = map(json.loads, (await run("owners", "list", "--json"))[1])
    assert (first["owner"], first["images"], first["quotas"]["bytes"], first["limits"]["bytes"]) == ("anonymous", 1, None, 2**20)
    assert second["weight"] == 2


async def test_reconcile_reports_and_corrects_drift(service: Service, run: Callable[..., Awaitable[Printed]]) -> None:
    await service.upload(jpeg())
    await fold_all(service)
    assert (await run("reconcile"))[0] == 0
    await service.session.run("UPDATE owner_usage SET images = 3")

    code, lines = await run("reconcile")
    assert code == 1
    assert lines[0] == 'usage_drift        "anonymous"  images -2, bytes +0, queued +0'
    assert "1 usage drift; 0 repaired" in lines[-1]
    assert (await counted_usage(service)).images == 3

    code, lines = await run("reconcile", "--fix", "--json")
    assert code == 0
    found, summary = map(json.loads, lines)
    assert found == {"kind": "usage_drift", "owner": "anonymous", "images": -2, "bytes": 0, "queued": 0, "mended": True}
    assert (summary["usage_drift"], summary["mended"]) == (1, 1)
    assert await counted_usage(service) == await actual_usage(service)
    assert (await run("reconcile"))[0] == 0
