"""Control groups: limits on memory of every kind and on threads, for all processes of a group together.

A worker in a container has the limits of its container, which the compose file sets. A worker that systemd starts with
`Delegate=memory pids` and `DelegateSubgroup=worker` may create groups beside its own, and each decoder gets one (cgroup v2,
systemd 254 or newer). Only our own children are ever moved.
"""

import os
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from msgspec import Struct

_NEEDED = {"memory", "pids"}
_UNLIMITED = 2**62
"""cgroup v1 shows about this number if there is no memory limit."""


class _Place(Struct, frozen=True):
    """A process's own group in one hierarchy, and the topmost group that is visible to it."""

    group: Path
    top: Path


def is_bounded(process: Path = Path("/proc/self")) -> bool:
    """True if the process's group, or a group above it, limits memory and the number of processes."""
    memory = _limited(_places(process, "memory"), "memory.max", "memory.limit_in_bytes")
    return memory and _limited(_places(process, "pids"), "pids.max")


class ChildGroups:
    """Factory of control groups: one for each child, beside this process's own group."""

    def __init__(self, parent: Path) -> None:
        self._parent = parent

    @classmethod
    def find(cls, process: Path = Path("/proc/self")) -> "ChildGroups | None":
        """Return None if groups can't be created: no cgroup v2, no delegated group, or a group with processes of its own."""
        for place in _places(process, ""):
            parent = place.group.parent
            with suppress(OSError):
                if place.group == place.top or (parent / "cgroup.procs").read_text():
                    continue
                if not set((parent / "cgroup.controllers").read_text().split()) >= _NEEDED:
                    continue
                (parent / "cgroup.subtree_control").write_text("+memory +pids")
                groups = cls(parent)
                groups.remove(groups.add(None, 2**30, 1))
                return groups
        return None

    def add(self, pid: int | None, memory_bytes: int, threads: int) -> Path:
        """Create a group with these limits, and move the process into it. Raises OSError, and leaves no group then."""
        group = self._parent / f"decoder-{uuid4().hex}"
        group.mkdir()
        try:
            (group / "memory.max").write_text(str(memory_bytes))
            (group / "pids.max").write_text(str(threads))
            if pid is not None:
                (group / "cgroup.procs").write_text(str(pid))
        except BaseException:
            self.remove(group)
            raise
        return group

    @staticmethod
    def remove(group: Path) -> None:
        """Remove a group whose processes have ended."""
        with suppress(OSError):
            group.rmdir()


def _places(process: Path, controller: str) -> list[_Place]:
    """Return the groups that may have the controller: in its v1 hierarchy, and in the v2 hierarchy, whose name is empty."""
    try:
        groups = [line.split(":", 2) for line in (process / "cgroup").read_text().splitlines()]
        mounts = (process / "mountinfo").read_text().splitlines()
    except OSError:  # a system without them
        return []
    found = []
    for line in mounts:
        fields, _, kinds = line.partition(" - ")
        root, mounted = fields.split()[3:5]
        kind, _, options = kinds.split(" ", 2)
        for _, names, path in groups:
            wanted = {"cgroup2": names == "", "cgroup": bool(controller) and controller in names.split(",")}.get(kind, False)
            if wanted and (kind == "cgroup2" or controller in options.split(",")):
                below = os.path.relpath(path, root) if path.startswith(root) else "."
                found.append(_Place(Path(mounted, below), Path(mounted)))
    return found


def _limited(places: list[_Place], *files: str) -> bool:
    for place in places:
        for group in (place.group, *place.group.parents):
            for file in files:
                with suppress(OSError, ValueError):  # no such file, or `max`
                    if int((group / file).read_text()) < _UNLIMITED:
                        return True
            if group == place.top:
                break
    return False
