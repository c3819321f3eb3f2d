"""Signals: the first stops a process in order, a second one immediately, and an echo is ignored."""

import signal
import subprocess
import sys
import time

PROGRAM = """
import asyncio, sys
from internal.runtime import lifecycle

lifecycle.SAME_SIGNAL_SECONDS = float(sys.argv[1])

async def work(stopping):
    print("up", flush=True)
    await stopping.wait()
    print("asked", flush=True)
    if sys.argv[2] == "stuck":
        await asyncio.Event().wait()
    await asyncio.to_thread(sys.stdin.read)
    print("ended in order", flush=True)

lifecycle.run_until_signalled(work)
"""


def _run(same: float, kind: str, *signals: signal.Signals) -> tuple[int, str]:
    """Return the exit code and the output after the first signal. The process runs until all signals are sent."""
    command = [sys.executable, "-c", PROGRAM, str(same), kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"up\n"
            process.send_signal(signals[0])
            assert process.stdout.readline() == b"asked\n"
            for number in signals[1:]:
                time.sleep(2 * same if same < 1 else 0)  # later than an echo could be
                process.send_signal(number)
            process.stdin.close()
            said = process.stdout.read().decode()
            return process.wait(30), said
        finally:
            process.kill()


def test_one_signal_ends_in_order() -> None:
    assert _run(1, "good", signal.SIGTERM) == (0, "ended in order\n")


def test_an_echo_of_it_changes_nothing() -> None:
    assert _run(60, "good", signal.SIGINT, signal.SIGINT) == (0, "ended in order\n")


def test_a_later_one_insists() -> None:
    code, said = _run(0.05, "stuck", signal.SIGINT, signal.SIGTERM)

    assert (code, said) == (1, "stopped at once\n")
