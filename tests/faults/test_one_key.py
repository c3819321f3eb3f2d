"""One Idempotency-Key, one image: asked for by many at once, and by one whose answer was lost."""

import json
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx2
import pytest

from tests import pictures
from tests.e2e.deployment import IMAGES
from tests.faults.cluster import Cluster, until_killed
from tests.faults.conftest import LONG
from tests.faults.deployments import DEPLOYMENTS
from tests.faults.load import Load, Sent, picture
from tests.services.waiting import wait_until

CLIENTS = 50
WHERE = DEPLOYMENTS if LONG else ["folder"]
"""Keys are kept in the database, whatever the deployment."""


def post(address: str, key: str, data: bytes) -> Sent:
    """The answer; status 0 when none came."""
    headers, wishes = {"Idempotency-Key": key}, {"processing": "resize:50x50"}
    try:
        response = httpx2.post(
            f"{address}{IMAGES}", files={"image": ("a.jpg", data)}, data=wishes, headers=headers, timeout=30, trust_env=False
        )
    except httpx2.TransportError as error:
        return Sent(0, 0, 0, error=repr(error))
    body = response.json()
    return Sent(0, 0, response.status_code, id=body.get("id"), error=body.get("code"))


def insist(address: str, key: str, data: bytes) -> Sent:
    """Ask again as long as the key is in somebody's hands, and when the key was taken from a request that was slow."""
    answers: list[Sent] = []

    def ask() -> bool:
        answers.append(post(address, key, data))
        return answers[-1].error not in ("idempotency_in_progress", "unavailable")

    wait_until(ask, within=60)
    return answers[-1]


@pytest.mark.parametrize("cluster", WHERE, indirect=True)
def test_many_clients_at_once(cluster: Cluster) -> None:
    key, before = uuid4().hex, cluster.number("SELECT count(*) FROM images")
    load = Load(lambda: cluster.addresses)
    with cluster.worker(ready=False), cluster.steady_api(), cluster.api(), ThreadPoolExecutor(CLIENTS) as clients:
        addresses = [cluster.addresses[number % 2] for number in range(CLIENTS)]
        load.sent += clients.map(lambda address: insist(address, key, picture()), addresses)

        assert {sent.status for sent in load.sent} == {201}
        assert len(set(load.accepted)) == 1
        assert cluster.number("SELECT count(*) FROM images") == before + 1
        other = insist(cluster.addresses[0], key, pictures.jpeg())
        assert (other.status, other.error) == (422, "idempotency_conflict")
        cluster.checked(load)


@pytest.mark.parametrize("cluster", WHERE, indirect=True)
@pytest.mark.parametrize(("point", "made"), [("after-commit", 1), *([("before-commit", 0)] if LONG else [])])
def test_an_answer_that_was_lost(cluster: Cluster, point: str, made: int) -> None:
    key, before = uuid4().hex, cluster.number("SELECT count(*) FROM images")
    load = Load(lambda: cluster.addresses)
    with cluster.worker(ready=False), cluster.steady_api():
        with cluster.api(FAULT_POINTS="allowed", FAULT_POINT=point) as doomed:
            assert post(cluster.addresses[-1], key, picture()).status == 0
            until_killed(doomed)
        ids = [str(row[0]) for row in cluster.rows("SELECT id FROM images ORDER BY created_at OFFSET %s", before)]
        assert len(ids) == made

        again = insist(cluster.addresses[0], key, picture())
        load.sent.append(again)

        assert again.status == 201, json.dumps(again.error)
        assert not ids or ids == [again.id]
        assert cluster.number("SELECT count(*) FROM images") == before + 1
        cluster.checked(load)
