"""aiohttp as a program of its own: `url content-type file chunked expect times`, and the statuses as JSON.

Of its own, since aiohttp 3.14.5 leaves a transport open when the final answer comes instead of a 100, which Python warns about
whenever it is collected.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

PIECE_BYTES = 2**16


async def _pieces(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as opened:
        while piece := opened.read(PIECE_BYTES):
            yield piece


async def _post(url: str, content_type: str, file: Path, chunked: str, expect: str) -> int:
    headers = {"content-type": content_type}
    async with aiohttp.ClientSession() as session:
        with file.open("rb") as opened:
            body = _pieces(file) if chunked else opened
            async with session.post(url, data=body, headers=headers, expect100=bool(expect)) as answer:
                return answer.status


def main(url: str, content_type: str, file: str, chunked: str, expect: str, times: str) -> None:
    print(json.dumps([asyncio.run(_post(url, content_type, Path(file), chunked, expect)) for _ in range(int(times))]))


if __name__ == "__main__":
    main(*sys.argv[1:])
