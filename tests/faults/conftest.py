"""Fixtures of the fault tests: clusters of real processes with their own services.

`make test` runs a short version of each test; with FAULTS=long, as `make faults` sets it, they are as long as the guarantees ask.
"""

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack

import pytest

from tests.faults.cluster import Cluster
from tests.faults.deployments import DEPLOYMENTS, open_cluster

pytest.register_assert_rewrite("tests.faults.outages")

LONG = os.environ.get("FAULTS") == "long"
LOG_CHARACTERS = 3000


@pytest.fixture(scope="module")
def clusters() -> Iterator[Callable[[str], Cluster]]:
    """The cluster of a deployment, one for all tests of a file."""
    opened: dict[str, Cluster] = {}
    with ExitStack() as stack:

        def open_(name: str) -> Cluster:
            if name not in opened:
                opened[name] = stack.enter_context(open_cluster(name))
            return opened[name]

        yield open_


@pytest.fixture(params=DEPLOYMENTS)
def cluster(request: pytest.FixtureRequest, clusters: Callable[[str], Cluster]) -> Cluster:
    """In each deployment; or in the one that a test names by parametrizing `cluster`, indirectly."""
    return clusters(request.param)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails shows what the processes said."""
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Cluster):
                report.sections.append((f"processes of {value.name}", value.said(LOG_CHARACTERS)))
    return report
