"""Control groups as a process sees them, on files that are laid out like the kernel's."""

from pathlib import Path

import pytest
import yaml

from internal.runtime.project import PROJECT
from internal.sandbox.cgroup import ChildGroups, is_bounded


class Machine:
    """A process's view: the lines of its files `cgroup` and `mountinfo`, and the folders that these name."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.process = folder, folder / "process"
        self.process.mkdir()
        self._mounts: list[str] = []
        self._groups: list[str] = []

    def hierarchy(self, name: str, kind: str, path: str, *, root: str = "/", options: str = "rw", names: str = "") -> Path:
        mounted = self.folder / name
        self._mounts.append(f"30 25 0:26 {root} {mounted} rw,nosuid shared:4 - {kind} {kind} {options}")
        self._groups.append(f"{len(self._groups)}:{names}:{path}")
        (self.process / "mountinfo").write_text("".join(f"{line}\n" for line in self._mounts))
        (self.process / "cgroup").write_text("".join(f"{line}\n" for line in self._groups))
        mounted.mkdir()
        return mounted


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def _group(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)
    return folder


@pytest.mark.parametrize(
    ("memory", "pids", "bounded"),
    [("4294967296\n", "4096\n", True), ("max\n", "4096\n", False), ("4294967296\n", "max\n", False), ("max\n", "max\n", False)],
)
def test_a_container_of_cgroup_v2(memory: str, pids: str, bounded: bool, machine: Machine) -> None:
    _group(machine.hierarchy("unified", "cgroup2", "/"), memory__max=memory, pids__max=pids)

    assert is_bounded(machine.process) is bounded


def test_a_group_above_counts(machine: Machine) -> None:
    top = machine.hierarchy("unified", "cgroup2", "/service/worker")
    _group(top / "service", memory__max="1000000000", pids__max="max")
    _group(top / "service/worker", memory__max="max", pids__max="100")

    assert is_bounded(machine.process)


@pytest.mark.parametrize(("memory", "bounded"), [("1073741824", True), ("9223372036854771712", False)])
def test_a_container_of_cgroup_v1(memory: str, bounded: bool, machine: Machine) -> None:
    """It sees its own part of each hierarchy, at another path than on the host."""
    own = {"path": "/docker/abc", "root": "/docker/abc"}
    _group(machine.hierarchy("memory", "cgroup", names="memory", options="rw,memory", **own), memory__limit_in_bytes=memory)
    _group(machine.hierarchy("pids", "cgroup", names="pids", options="rw,pids", **own), pids__max="4096")
    machine.hierarchy("unified", "cgroup2", "/")

    assert is_bounded(machine.process) is bounded
    assert ChildGroups.find(machine.process) is None


def test_a_machine_without_groups_is_not_bounded(tmp_path: Path) -> None:
    assert not is_bounded(tmp_path / "none")
    assert ChildGroups.find(tmp_path / "none") is None


def _delegated(machine: Machine, *, controllers: str = "cpu memory pids", processes: str = "") -> Path:
    parent = machine.hierarchy("unified", "cgroup2", "/service/worker") / "service"
    _group(parent, cgroup__controllers=controllers, cgroup__procs=processes, cgroup__subtree_control="")
    _group(parent / "worker")
    return parent


def test_a_service_to_which_groups_were_delegated_makes_one_for_each_child(machine: Machine) -> None:
    parent = _delegated(machine)

    groups = ChildGroups.find(machine.process)
    assert groups is not None
    child = groups.add(4711, 2**31, 64)

    assert (parent / "cgroup.subtree_control").read_text() == "+memory +pids"
    files = {file: (child / file).read_text() for file in ("memory.max", "pids.max", "cgroup.procs")}
    assert files == {"memory.max": str(2**31), "pids.max": "64", "cgroup.procs": "4711"}
    assert child.parent == parent


@pytest.mark.parametrize("lacking", [{"controllers": "cpu io"}, {"processes": "1\n"}])
def test_where_groups_can_not_be_made_none_is(lacking: dict[str, str], machine: Machine) -> None:
    """A group with processes of its own can't contain limited groups, and foreign processes are never moved."""
    parent = _delegated(machine, **lacking)

    assert ChildGroups.find(machine.process) is None
    assert [path.name for path in parent.iterdir() if path.is_dir()] == ["worker"]


def test_compose_bounds_the_worker() -> None:
    worker = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())["services"]["worker"]

    assert worker["mem_limit"]
    assert worker["pids_limit"]
