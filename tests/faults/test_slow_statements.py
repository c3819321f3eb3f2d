"""G6: statements that PostgreSQL ends at their time limit cost their own requests a 503, and nobody else anything."""

from concurrent.futures import ThreadPoolExecutor

import httpx2
import psycopg
import pytest

from tests.e2e.deployment import IMAGES
from tests.faults.cluster import Cluster
from tests.faults.load import picture

MORE_THAN_OPENS_A_CIRCUIT = 7


@pytest.mark.parametrize("cluster", ["folder"], indirect=True)
def test_other_requests_are_answered(cluster: Cluster) -> None:
    """A lock on one table, as a migration or an operator may hold it: who needs that table waits for it in vain."""
    with cluster.api(DB_TIMEOUT_SECONDS=0.3) as api, httpx2.Client(base_url=cluster.addresses[0], trust_env=False) as http:

        def upload(number: int) -> httpx2.Response:
            headers = {"Idempotency-Key": f"slow-{number}"}
            return http.post(IMAGES, files={"image": ("picture.jpg", picture())}, headers=headers)

        with psycopg.connect(cluster.places.conninfo) as holder, ThreadPoolExecutor(MORE_THAN_OPENS_A_CIRCUIT) as clients:
            holder.execute("LOCK TABLE idempotency_keys")
            for refused in clients.map(upload, range(MORE_THAN_OPENS_A_CIRCUIT)):
                assert refused.status_code == 503
                assert "Retry-After" in refused.headers
            assert http.get(IMAGES).status_code == 200
        assert "circuit.opened" not in api.said()
