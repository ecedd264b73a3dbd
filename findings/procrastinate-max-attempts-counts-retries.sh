#!/bin/sh
# procrastinate 3.10.0: RetryStrategy(max_attempts=3) runs a failing task four times.
#
# Expected: "at most three attempts", as the name says: the task runs three times and is then marked as failed.
# Seen:     the first run is not counted; the task runs once and is retried three times. job.attempts is 0 during the
#           first run.
# Matters:  a webhook is delivered, a paid request is sent or a mail is written once more than was agreed, and a limit
#           shown to people ("3 tries") is wrong.
# Instead:  pass the number of runs minus one, or write a BaseRetryStrategy that compares job.attempts + 1.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q procrastinate==3.10.0
"$tmp/venv/bin/python" - <<'PY'
import asyncio
import logging
from importlib.metadata import version

import procrastinate
from procrastinate.testing import InMemoryConnector

logging.disable()  # procrastinate logs each failure with its traceback
app = procrastinate.App(connector=InMemoryConnector())
seen = []


@app.task(pass_context=True, retry=procrastinate.RetryStrategy(max_attempts=3))
def fail(context):
    seen.append(context.job.attempts)
    raise ValueError


async def main():
    async with app.open_async():
        await fail.defer_async()
        await app.run_worker_async(wait=False, install_signal_handlers=False)
        return [job["status"] for job in app.connector.jobs.values()]


statuses = asyncio.run(main())
print(f"procrastinate {version('procrastinate')}: max_attempts=3, expected 3 runs;"
      f" seen {len(seen)} runs with job.attempts {seen}, then {statuses}")
assert seen == [0, 1, 2, 3]
assert statuses == ["failed"]
PY
