"""Import a history file in a process of its own, whose memory is measured."""

import sys
from pathlib import Path

from sqlalchemy import create_engine

from core import log
from ingest.history_import.importer import import_history
from tests.bench.memory import peak_megabytes


def main(file: str, database_url: str) -> None:
    log.configure("ERROR", as_json=True)
    report = import_history(Path(file), "bench", engine=create_engine(database_url))
    print(report.rows, report.seconds, peak_megabytes())  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
