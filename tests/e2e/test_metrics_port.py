"""METRICS_PORT and METRICS_TOKEN, with two API processes that share both ports."""

import httpx2

from tests import pictures
from tests.e2e.deployments import standalone, temporary_folder
from tests.services.reachable import free_port


def test_metrics_have_a_port_and_a_token_of_their_own() -> None:
    port, worker_port, token = free_port(), free_port(), {"authorization": "Bearer sesame"}
    settings = {"METRICS_PORT": port, "METRICS_TOKEN": "sesame", "WORKER_PORT": worker_port, "SERVER_WORKERS": 2}
    with temporary_folder() as folder, standalone(folder, **settings) as (service, _), httpx2.Client(trust_env=False) as http:
        service.processed(pictures.jpeg())
        assert service.http.get("/metrics", headers=token).status_code == 404
        assert service.http.get("/health").status_code == 200
        for where in (port, worker_port):
            address = f"http://127.0.0.1:{where}"
            assert http.get(f"{address}/metrics").status_code == 401
            shown = [http.get(f"{address}/metrics", headers={**token, "connection": "close"}) for _ in range(4)]
            assert {answer.status_code for answer in shown} == {200}
            assert all("\nimage_processor_outbox_messages " in answer.text for answer in shown)
            assert http.get(f"{address}//metrics", headers=token).status_code == 404
        counted = 'image_processor_http_requests_total{method="POST",route="/api/v1/images",status="201"} 1.0'
        asked = [httpx2.get(f"http://127.0.0.1:{port}/metrics", headers=token, trust_env=False).text for _ in range(4)]
        assert all(counted in said for said in asked), "each of the two processes tells what both have counted"
        assert httpx2.get(f"http://127.0.0.1:{port}/api/v1/images", headers=token, trust_env=False).status_code == 404
