"""The settings of the decoder processes."""

from typing import Annotated

from msgspec import Struct

from internal.runtime.section import env


class SandboxSettings(Struct, frozen=True, forbid_unknown_fields=True):
    children: Annotated[
        int,
        env(
            "SANDBOX_CHILDREN",
            "Decoder processes of one worker. 0: two per core, and one per slot of the slow lane.",
            ge=0,
            le=256,
        ),
    ]
    memory_bytes: Annotated[int, env("SANDBOX_MEMORY_BYTES", "Address space of one decoder process, in bytes.", ge=256 * 2**20)]
    cpu_seconds: Annotated[float, env("SANDBOX_CPU_SECONDS", "CPU time limit of one picture, in seconds.", gt=0)]
    wall_seconds: Annotated[float, env("SANDBOX_WALL_SECONDS", "Time limit of one picture, in seconds of the clock.", gt=0)]
    max_pictures: Annotated[
        int, env("SANDBOX_MAX_PICTURES", "Pictures that one decoder process handles before it is replaced.", ge=1)
    ]
    require: Annotated[
        str,
        env(
            "SANDBOX_REQUIRE",
            "Sandbox features that a worker requires: landlock, seccomp, cgroup, separated by commas. Empty: none.",
            pattern=r"^(|(landlock|seccomp|cgroup)(, ?(landlock|seccomp|cgroup))*)\Z",
        ),
    ]
    scratch: Annotated[
        str,
        env(
            "SANDBOX_SCRATCH",
            "Parent of the folder for pictures that are being processed. Empty: /dev/shm (memory), else the temporary folder.",
        ),
    ]
