"""Refresh the accounts of the command line in a process of its own, whose memory is measured."""

import json
import sys

from core import log, redis_client
from core.db import engine
from core.queue.jobs import JobOrigin
from core.settings import settings
from ingest.github import GitHub
from ingest.refresh.batch import Refresher, RefreshRequest
from tests.bench.memory import peak_megabytes


def main(logins: list[str]) -> None:
    log.configure("ERROR", as_json=True)
    with GitHub.from_settings(settings(), redis_client.redis()) as github:
        refresher = Refresher(github, engine.engine(), settings().refresh_every)
        run = refresher.run(RefreshRequest(JobOrigin("bench"), logins=logins))
    figures = {"stored": run.stored, "failed": run.failed, "seconds": run.seconds, "memory": peak_megabytes()}
    print(json.dumps(figures))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
