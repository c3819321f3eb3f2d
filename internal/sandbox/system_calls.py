"""System calls that a confined decoder may make, with their numbers.

The list was recorded with strace from the golden pictures, the hostile files and mutants (`make calls`, x86-64, glibc 2.36). It
also has the calls that the same functions make on ARM64 or in other C libraries; such a line says so.
tests/unit/sandbox/test_system_calls.py compares the numbers with the system's headers where these are installed:
asm/unistd_64.h for x86-64, asm-generic/unistd.h for ARM64 (Debian's package linux-libc-dev). It has not been run on ARM64.

The calls in CHECKED depend on their arguments, as seccomp.py says.
"""

from msgspec import Struct


class Call(Struct, frozen=True):
    """A system call: its number on `x86_64` and `aarch64`, None if there is no such call, and `why` a decoder needs it."""

    name: str
    x86_64: int | None
    aarch64: int | None
    why: str

    def number(self, machine: str) -> int | None:
        return self.x86_64 if machine == "x86_64" else self.aarch64


ALLOWED = (
    # files: Landlock and the user restrict them; none of these calls changes an owner, a mode, a time or a name
    Call("read", 0, 63, "jobs, pictures"),
    Call("write", 1, 64, "replies, results"),
    Call("readv", 19, 65, "the C library's streams"),
    Call("writev", 20, 66, "the C library's streams"),
    Call("pread64", 17, 67, "libtiff, fonts"),
    Call("pwrite64", 18, 68, "libtiff"),
    Call("close", 3, 57, "every file"),
    Call("lseek", 8, 62, "every file"),
    Call("open", 2, None, "files, in code that was compiled for old C libraries"),
    Call("openat", 257, 56, "files"),
    Call("stat", 4, None, "sizes, in code that was compiled for old C libraries"),
    Call("fstat", 5, 80, "sizes"),
    Call("lstat", 6, None, "as stat"),
    Call("newfstatat", 262, 79, "sizes"),
    Call("statx", 332, 291, "sizes, in other C libraries"),
    Call("statfs", 137, 43, "fontconfig: whether a file system keeps times"),
    Call("fstatfs", 138, 44, "fontconfig: whether a file system keeps times"),
    Call("access", 21, None, "fonts"),
    Call("faccessat", 269, 48, "fonts, on ARM64"),
    Call("faccessat2", 439, 439, "fonts, in other C libraries"),
    Call("readlink", 89, None, "fonts"),
    Call("readlinkat", 267, 78, "fonts, on ARM64"),
    Call("getcwd", 79, 17, "the child's folder"),
    Call("getdents64", 217, 61, "Python's imports"),
    Call("ftruncate", 77, 46, "removes the messages of libraries after each picture; results"),
    Call("fadvise64", 221, 223, "libvips reads from front to back"),
    Call("unlink", 87, None, "copies of originals, second files that are not smaller"),
    Call("unlinkat", 263, 35, "the same, on ARM64"),
    # memory
    Call("brk", 12, 214, "malloc"),
    Call("munmap", 11, 215, "malloc, pictures"),
    Call("mremap", 25, 216, "realloc"),
    Call("madvise", 28, 233, "malloc, stacks of threads that ended"),
    # threads
    Call("futex", 202, 98, "locks"),
    Call("set_robust_list", 273, 99, "a thread begins"),
    Call("rseq", 334, 293, "a thread begins"),
    Call("sched_yield", 24, 124, "locks"),
    Call("sched_getaffinity", 204, 123, "how many threads are worth while"),
    Call("membarrier", 324, 283, "code that was loaded late, in other C libraries"),
    Call("gettid", 186, 178, "a thread begins, abort"),
    Call("getpid", 39, 172, "abort"),
    Call("exit", 60, 93, "a thread ends"),
    Call("exit_group", 231, 94, "the child ends"),
    Call("rt_sigprocmask", 14, 135, "a thread begins"),
    Call("rt_sigreturn", 15, 139, "a signal was handled"),
    Call("sigaltstack", 131, 132, "Python"),
    Call("restart_syscall", 219, 128, "the process continues after a stop"),
    # time and waiting
    Call("clock_gettime", 228, 113, "CPU time"),
    Call("clock_getres", 229, 114, "clocks, where the vDSO has none"),
    Call("clock_nanosleep", 230, 115, "sleep"),
    Call("nanosleep", 35, 101, "sleep"),
    Call("gettimeofday", 96, 169, "clocks, where the vDSO has none"),
    Call("time", 201, None, "clocks, where the vDSO has none"),
    Call("select", 23, None, "waiting for a job, in old C libraries"),
    Call("pselect6", 270, 72, "waiting for a job"),
    Call("poll", 7, None, "GLib"),
    Call("ppoll", 271, 73, "GLib, on ARM64"),
    # the process
    Call("getrusage", 98, 165, "CPU time"),
    Call("getrlimit", 97, 163, "stacks, in old C libraries"),
    Call("sysinfo", 99, 179, "how much memory there is"),
    Call("uname", 63, 160, "GLib"),
    Call("getrandom", 318, 278, "hashes, malloc"),
    Call("getuid", 102, 174, "GLib, fontconfig"),
    Call("geteuid", 107, 175, "GLib, fontconfig"),
    Call("getgid", 104, 176, "GLib, fontconfig"),
    Call("getegid", 108, 177, "GLib, fontconfig"),
)
"""Allowed with any arguments."""

CHECKED = {
    call.name: call
    for call in (
        Call("mmap", 9, 222, "malloc, pictures: no executable memory"),
        Call("mprotect", 10, 226, "stacks: no executable memory"),
        Call("clone", 56, 220, "threads: no processes, no namespaces"),
        Call("clone3", 435, 435, "fails with ENOSYS, because its arguments can't be checked: the C library falls back to clone"),
        Call("prctl", 157, 167, "names of threads: nothing else, so the child still dies with its parent"),
        Call("fcntl", 72, 25, "flags and copies of descriptors: no signals, no locks, no larger pipes"),
        Call("ioctl", 16, 29, "Python asks whether a file is a terminal: the answer is always no"),
        Call("prlimit64", 302, 261, "reads this process's own limits: sets none"),
        Call("rt_sigaction", 13, 134, "threads, abort: SIGXCPU can't be caught"),
        Call("tgkill", 234, 131, "abort: no other process"),
    )
}
"""Allowed with some arguments only."""
