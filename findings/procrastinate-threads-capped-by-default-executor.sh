#!/bin/sh
# procrastinate 3.10.0: synchronous tasks share the event loop's default thread pool.
#
# Expected: a worker with concurrency=40 runs 40 synchronous tasks at the same time.
# Seen:     it runs as many as the default pool has threads: the number of cores plus four, 32 at most. The other jobs
#           are 'doing' too, and so hold their locks, but they wait for a thread.
# Matters:  an app that waits for a slow API wants many more jobs than cores. A higher concurrency changes nothing,
#           and the table of jobs says that all of them run.
# Instead:  give the loop a pool of the worker's own size before it starts:
#           loop.set_default_executor(ThreadPoolExecutor(concurrency)).
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q procrastinate==3.10.0
"$tmp/venv/bin/python" - <<'PY'
import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import procrastinate
from procrastinate.testing import InMemoryConnector

CONCURRENCY = 40
app = procrastinate.App(connector=InMemoryConnector())
counting = threading.Lock()
now = most = doing = 0


@app.task
def wait():
    global now, most, doing
    with counting:
        now += 1
        most = max(most, now)
    time.sleep(0.5)
    doing = max(doing, sum(job["status"] == "doing" for job in list(app.connector.jobs.values())))
    with counting:
        now -= 1


async def run(pool=None):
    global most
    most = 0
    if pool:
        asyncio.get_running_loop().set_default_executor(pool)
    async with app.open_async():
        for _ in range(CONCURRENCY):
            await wait.defer_async()
        await app.run_worker_async(wait=False, concurrency=CONCURRENCY, install_signal_handlers=False)
    return most


default = asyncio.run(run())
waiting = doing
own = asyncio.run(run(ThreadPoolExecutor(CONCURRENCY)))
print(f"procrastinate {version('procrastinate')}: concurrency {CONCURRENCY}, expected {CONCURRENCY} tasks at once;"
      f" seen {default} with the default pool, though {waiting} jobs were 'doing',"
      f" and {own} with a pool of {CONCURRENCY}")
assert default == ThreadPoolExecutor()._max_workers < CONCURRENCY
assert own == waiting == CONCURRENCY
PY
