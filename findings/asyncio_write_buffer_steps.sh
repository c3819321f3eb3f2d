#!/usr/bin/env bash
# A transport's write buffer stands still for seconds while its client reads steadily: it tells who is slow only in steps of a megabyte
#
# Expected: `transport.get_write_buffer_size()` shrinks as the client reads, so that a server that sees it stand still has a client that
#   reads nothing.
# Seen: asyncio of CPython 3.11.7 and uvloop 0.23.0 on Linux 6.18, on 2026-11-30: with a client that reads 64 KiB every tenth of a second the
#   buffer does not change for 2.9 s, then by 1.4 MB at once. Linux calls a socket writable only when a third of its send buffer is free, and
#   the send buffer grows to 4 MB by itself. What the client's side has acknowledged (buffer and TIOCOUTQ together) changes all the time.
# Why it matters: a time limit for readers that goes by the buffer, or by `drain()`, cuts off a phone that reads 20 kB a second, since it
#   seems to stand still for more than a minute.
# Exit code: 0 while that is so, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check uvloop==0.23.0
cat > "$folder/seen.py" <<'PYTHON'
import asyncio
import fcntl
import platform
import socket
import struct
import sys
import termios
from itertools import groupby

import uvloop

SIZE, PIECE, TICK, TICKS = 64 * 2**20, 2**16, 0.1, 100


def in_the_kernel(transport):
    """Bytes that are not acknowledged yet."""
    return struct.unpack("i", fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4)))[0]


async def sampled():
    """The buffer, and all that is not acknowledged, at every tick while a client reads a piece at every tick."""
    samples, ended = [], asyncio.Event()

    async def serve(_, writer):
        writer.write(bytes(SIZE))
        while not ended.is_set():
            await asyncio.sleep(TICK)
            waiting = writer.transport.get_write_buffer_size()
            samples.append((waiting, waiting + in_the_kernel(writer.transport)))
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    with socket.create_connection(server.sockets[0].getsockname()) as client:
        client.setblocking(False)
        for _ in range(TICKS):
            await asyncio.get_running_loop().sock_recv(client, PIECE)
            await asyncio.sleep(TICK)
        ended.set()
        await asyncio.sleep(3 * TICK)
    server.close()
    return samples[TICKS // 10 :]  # at first the kernel's buffers fill


def longest_still(values):
    return max(len(list(same)) for _, same in groupby(values)) * TICK


print("CPython", platform.python_version(), "uvloop", uvloop.__version__, platform.system(), platform.release())
as_described = True
for name, run in (("asyncio", asyncio.run), ("uvloop", uvloop.run)):
    buffers, unacknowledged = zip(*run(sampled()))
    still, really = longest_still(buffers), longest_still(unacknowledged)
    print(f"{name}: the buffer stood still for {still:.1f} s, what the client had acknowledged for {really:.1f} s")
    as_described &= still > 1.5 and really < still / 3
sys.exit(not as_described)
PYTHON
"$folder/venv/bin/python" "$folder/seen.py"
