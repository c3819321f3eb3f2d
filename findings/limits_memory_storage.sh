#!/usr/bin/env bash
# The store in memory of `limits` for asyncio looks through every client that it has seen, at each request.
#
# Expected: that a request costs the same however many clients there are, as a dictionary does.
# Seen with limits 5.8.0 (2026-11-30): `hit` starts a task that walks over all counters to find those that have expired, unless one
# is still at work. The CPU time of a request grows with the number of clients: some 8 microseconds with one, 1.4 milliseconds with
# 20,000. (The moving window walks too, in a thread for each client.) Nothing bounds the number of clients but their time.
# throttled-py 3.5.0 keeps so many clients as it is told, and a request costs the same with any number.
# Why it matters: a limit for each address is there for the day on which many addresses come.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet limits==5.8.0 throttled-py==3.5.0
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import sys
import time
from datetime import timedelta
from importlib.metadata import version

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter
from throttled import RateLimiterType, Throttled, per_duration
from throttled.store import MemoryStore

FEW, MANY, REQUESTS = 100, 20_000, 200


async def microseconds(hit, clients):
    """CPU time of one request, when so many clients have come."""
    for number in range(clients):
        await hit(f"client-{number}")
    await asyncio.sleep(0.1)
    began = time.process_time()
    for number in range(REQUESTS):
        await hit(f"client-{number}")
        await asyncio.sleep(0)
    return (time.process_time() - began) / REQUESTS * 1e6


async def main():
    print(f"limits {version('limits')}, throttled-py {version('throttled-py')}")
    rate = RateLimitItemPerMinute(1_000_000)
    grown = {}
    for name, clients in (("few", FEW), ("many", MANY)):
        limiter = FixedWindowRateLimiter(MemoryStorage())
        grown[name] = await microseconds(lambda client: limiter.hit(rate, client), clients)
        print(f"limits: {grown[name]:8.1f} microseconds of CPU for a request, with {clients} clients")
    for clients in (FEW, MANY):
        quota = per_duration(timedelta(minutes=1), 1_000_000)
        buckets = Throttled(using=RateLimiterType.GCRA.value, quota=quota, store=MemoryStore(options={"MAX_SIZE": MANY}))

        async def limit(client):
            buckets.limit(client)

        print(f"throttled-py: {await microseconds(limit, clients):8.1f} microseconds of CPU for a request, with {clients} clients")
    if grown["many"] < 10 * grown["few"]:
        sys.exit("limits no longer looks through all clients at each request")


asyncio.run(main())
PYTHON
