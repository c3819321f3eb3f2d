"""The full stack as `make up` builds and starts it, with two workers: it passes the journey, and its containers are confined."""

import json
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
import yaml

from internal.settings.sections import every_setting
from tests import pictures
from tests.e2e.compose import WORKERS, Compose, composed, require_compose, service_of
from tests.e2e.deployment import IMAGES, Deployment
from tests.e2e.deployments import until_ready
from tests.e2e.journey import STEPS, step_name
from tests.e2e.processes import PROJECT
from tests.e2e.reader import README, STACK, Reader
from tests.services.waiting import wait_until

OURS = ("api", "worker", "migrate")
OUR_USER = 10001
SET_BY_THE_IMAGE = {"SERVER_HOST", "WORKER_HOST"}
NOT_FOR_CONTAINERS = {"DATA_PATH", "STORAGE_PATH", "SANDBOX_SCRATCH", "QUEUE_VISIBILITY_SECONDS"}
NOT_FOR_THIS_KAFKA = {
    "KAFKA_SECURITY_PROTOCOL",
    "KAFKA_SASL_MECHANISM",
    "KAFKA_SASL_USERNAME",
    "KAFKA_SASL_PASSWORD",
    "KAFKA_SSL_CAFILE",
}

pytestmark = pytest.mark.timeout(1800)  # the first test builds the image


@pytest.fixture(scope="module")
def running_stack() -> Iterator[tuple[Deployment, Compose]]:
    require_compose()
    with composed() as stack:
        yield stack


@pytest.fixture
def service(running_stack: tuple[Deployment, Compose]) -> Deployment:
    return running_stack[0]


@pytest.fixture
def compose(running_stack: tuple[Deployment, Compose]) -> Compose:
    return running_stack[1]


@pytest.mark.parametrize("step", STEPS, ids=step_name)
def test_journey(step: Callable[[Deployment], None], service: Deployment) -> None:
    step(service)


def test_what_the_readme_shows(compose: Compose, tmp_path: Path) -> None:
    """`composed()` has run its block `make up`, with two workers."""
    reader = Reader(tmp_path, f"127.0.0.1:{compose.ports['SERVER_PORT']}", variables=compose.variables)

    reader.read(README, STACK)

    assert [answer["status"] for answer in reader.answers] == ["uploaded"]


def test_nobody_is_let_in_without_a_key(service: Deployment) -> None:
    """But everybody sees health, the pages and the description."""
    for path, status in (("/health/ready", 200), ("/docs", 200), ("/openapi.json", 200), (IMAGES, 401), ("/api/v1/limits", 401)):
        answer = httpx2.get(f"{service.http.base_url}{path}", trust_env=False)
        assert answer.status_code == status, path
        assert answer.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)


def test_every_setting_reaches_the_containers() -> None:
    services = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())["services"]
    passed = {name for service in OURS for name in services[service]["environment"]}
    settings = {setting.variable for setting in every_setting()}
    assert settings - passed == SET_BY_THE_IMAGE | NOT_FOR_CONTAINERS | NOT_FOR_THIS_KAFKA
    assert passed - {name for setting in every_setting() for name in setting.variables} == {"HEALTH_PORT"}


def test_our_image_is_built_once_and_never_pulled() -> None:
    """Compose 2.40.3 pulls before it builds, and tells that the registry has no such image; three builds make three images."""
    services = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())["services"]
    ours = {name: services[name] for name in OURS}
    assert [name for name, service in ours.items() if "build" in service] == ["api"]
    assert [name for name, service in ours.items() if service.get("pull_policy") == "never"] == ["worker", "migrate"]


def test_our_containers_are_confined(compose: Compose) -> None:
    for container in filter(lambda found: service_of(found) in OURS, compose.containers()):
        host = container["HostConfig"]
        assert container["Config"]["User"] == f"{OUR_USER}:{OUR_USER}"
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert "no-new-privileges:true" in host["SecurityOpt"]
        if container["State"]["Running"]:
            wait_until(lambda: compose.users(container["Id"]) == {OUR_USER}, within=30)  # noqa: B023 - used at once


def test_our_containers_may_take_so_much_memory_and_so_many_threads(compose: Compose) -> None:
    for container in filter(lambda found: service_of(found) in OURS, compose.containers()):
        assert 0 < container["HostConfig"]["PidsLimit"] <= 1024
        assert 2**30 <= container["HostConfig"]["Memory"] <= 8 * 2**30


def test_api_and_worker_never_see_the_roots_of_minio(compose: Compose) -> None:
    of_root = compose.secrets["MINIO_ROOT_PASSWORD"]
    seen = {service_of(found) for found in compose.containers() if of_root in json.dumps(found)}
    named = {service_of(found) for found in compose.containers() if "MINIO_ROOT" in json.dumps(found)}
    assert seen == named == {"minio", "migrate"}


def test_the_images_of_others_have_a_tag_and_no_digest() -> None:
    """Digests are an operator's to pin, in an override file (docs/running/deploy.md): here one would hold back mended images."""
    services = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())["services"]
    theirs = [service["image"] for name, service in services.items() if name not in OURS]
    assert len(theirs) == 3
    assert all(re.fullmatch(r"[\w./-]+:[\w.-]+", image) and not image.endswith(":latest") for image in theirs)


def test_the_services_are_confined_as_far_as_their_images_allow(compose: Compose) -> None:
    """MinIO's image has a data folder of root's, and Kafka's writes its configuration when it starts."""
    for container in compose.containers():
        host, name = container["HostConfig"], service_of(container)
        assert host["CapDrop"] == ["ALL"]
        assert host["ReadonlyRootfs"] == (name != "kafka")
        if container["State"]["Running"] and name != "minio":
            wait_until(lambda: 0 not in compose.users(container["Id"]), within=30)  # noqa: B023 - used at once


def test_ports_are_published_on_this_machine_only(compose: Compose) -> None:
    published = {}
    for container in compose.containers():
        bindings = [binding for found in (container["HostConfig"]["PortBindings"] or {}).values() for binding in found]
        assert {binding["HostIp"] for binding in bindings} <= {"127.0.0.1"}
        published[service_of(container)] = len(bindings)
    assert published == {"api": 1, "postgres": 1, "minio": 1, "kafka": 1, "worker": 0, "migrate": 0}


def test_all_are_healthy_and_migrate_has_ended(compose: Compose) -> None:
    states = {found["Name"]: found["State"] for found in compose.containers()}
    assert len(compose.of("worker")) == WORKERS
    for name, state in states.items():
        if "migrate" in name:
            assert (state["Status"], state["ExitCode"]) == ("exited", 0)
        else:
            assert (state["Status"], state["Health"]["Status"]) == ("running", "healthy")


def test_imagectl_is_a_command_in_our_containers(compose: Compose) -> None:
    assert all(said.startswith("usage: imagectl") for said in compose.each_worker("imagectl", "--help"))


def test_both_workers_take_work(service: Deployment, compose: Compose) -> None:
    for path in [service.upload(pictures.photo_jpeg(900 + number, 600)) for number in range(24)]:
        service.settled(path)
    said = [compose("logs", "--no-color", "--no-log-prefix", "--index", str(number), "worker") for number in (1, 2)]
    assert all('"rendition.processed"' in lines for lines in said)


def test_containers_stop_in_order_and_start_again(service: Deployment, compose: Compose) -> None:
    compose("stop", "api", "worker")
    codes = {name: {found["State"]["ExitCode"] for found in compose.of(name)} for name in ("api", "worker")}
    assert codes["worker"] == {0}
    assert codes["api"] <= {0, 128 + signal.SIGTERM}  # uvicorn ends in order, and then by the signal that it was sent
    compose("start", "api", "worker")
    until_ready(service.http)
    service.processed(pictures.jpeg())
