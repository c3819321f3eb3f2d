"""The settings of the decoder processes."""

from typing import Annotated

from msgspec import Struct

from internal.runtime.setting import env


class SandboxSettings(Struct, frozen=True, forbid_unknown_fields=True):
    children: Annotated[int, env("SANDBOX_CHILDREN", "Decoder processes; 0: two a core and one a slow slot.", ge=0, le=256)]
    memory_bytes: Annotated[int, env("SANDBOX_MEMORY_BYTES", "Address space of one decoder, in bytes.", ge=256 * 2**20)]
    cpu_seconds: Annotated[float, env("SANDBOX_CPU_SECONDS", "CPU time of one picture, in seconds.", gt=0)]
    wall_seconds: Annotated[float, env("SANDBOX_WALL_SECONDS", "Time of one picture on the clock, in seconds.", gt=0)]
    max_pictures: Annotated[int, env("SANDBOX_MAX_PICTURES", "A decoder is replaced after so many pictures.", ge=1)]
    require: Annotated[
        str,
        env(
            "SANDBOX_REQUIRE",
            "Walls without which a worker does not start: landlock, seccomp, cgroup, separated by commas; empty: it warns.",
            pattern=r"^(|(landlock|seccomp|cgroup)(, ?(landlock|seccomp|cgroup))*)\Z",
        ),
    ]
    scratch: Annotated[
        str, env("SANDBOX_SCRATCH", "Where the folder for pictures in work is made; empty: memory (/dev/shm) or the system's.")
    ]
