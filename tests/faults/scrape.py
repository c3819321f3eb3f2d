"""Metrics of a process, read from `/metrics` as numbers."""

import httpx2
from prometheus_client.parser import text_string_to_metric_families

PREFIX = "image_processor_"


class Scrape:
    """One scrape of the process at `address`; what it could not ask for is not in it."""

    def __init__(self, address: str) -> None:
        text = httpx2.get(f"{address}/metrics", timeout=40, trust_env=False).raise_for_status().text
        self._samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def of(self, name: str) -> dict[str, float]:
        """A measure's values by the value of its one label."""
        return {next(iter(found.labels.values())): found.value for found in self._samples if found.name == PREFIX + name}

    def counts(self, name: str) -> dict[str, float]:
        """A counter's values in the same way, of all that has happened at least once."""
        return {value: count for value, count in self.of(name).items() if count}

    def one(self, name: str) -> float:
        """The value of a measure that has no label."""
        (value,) = [found.value for found in self._samples if found.name == PREFIX + name]
        return value


def worker_at(port: int) -> str:
    """The address of a worker that was started with this WORKER_PORT."""
    return f"http://127.0.0.1:{port}"
