#!/bin/sh
# APScheduler 3.11.3: a stored job whose function cannot be found is deleted from the store.
#
# Expected: a job that cannot be restored now (its function was renamed, or this release does not have it yet) is
#           skipped or reported, and runs again when the function is back.
# Seen:     reading the jobs is enough to delete it: SQLAlchemyJobStore logs "removing it" and does. After the
#           function is back, the schedule is gone.
# Matters:  a rolled-back release, or an old and a new one on the same store for a minute, ends what people had
#           scheduled; an error in the log is all that is left of it.
# Instead:  keep schedules in a table of your own and add the jobs at each start with fixed ids and
#           replace_existing=True, or store a function whose name never changes and pass it the name of what to do.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q apscheduler==3.11.3 sqlalchemy==2.1.9
cd "$tmp"
"$tmp/venv/bin/python" - <<'PY'
import logging
import sys
import types
from importlib.metadata import version

from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler

logging.disable()  # the error that says "removing it"
tasks = sys.modules["tasks"] = types.ModuleType("tasks")


def jobs(add=False):
    scheduler = BackgroundScheduler(jobstores={"default": SQLAlchemyJobStore("sqlite:///jobs.db")})
    scheduler.start(paused=True)
    if add:
        scheduler.add_job("tasks:refresh", "interval", hours=1, id="refresh")
    found = [job.id for job in scheduler.get_jobs()]
    scheduler.shutdown()
    return found


tasks.refresh = lambda: None
tasks.refresh.__module__, tasks.refresh.__qualname__ = "tasks", "refresh"
kept = tasks.refresh
stored, still = jobs(add=True), jobs()
del tasks.refresh
without = jobs()
tasks.refresh = kept
back = jobs()
print(f"APScheduler {version('apscheduler')}: jobs {stored}, after a restart {still}, without the function {without},"
      f" with the function back expected ['refresh']; seen {back}")
assert (stored, still, without, back) == (["refresh"], ["refresh"], [], [])
PY
