"""Writes rejected rows to a CSV file: line, reason, and the row as it is in the input."""

import csv
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import IO

import structlog

from ingest.history_import.validate import RejectedRow

log = structlog.get_logger()


class RejectsFile(AbstractContextManager["RejectsFile"]):
    """A file beside the input, else in the working directory; created with the first row, visible after `keep`."""

    def __init__(self, beside: Path, columns: Iterable[str]) -> None:
        self.name = f"{beside.name}.rejected.csv"
        self.candidate_folders = (beside.parent, Path.cwd())
        self.columns = tuple(columns)
        self.count = 0
        self.path: Path | None = None
        self._file: IO[str] | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file:
            self._file.close()
            Path(self._file.name).unlink(missing_ok=True)

    def add(self, rejected: Iterable[RejectedRow]) -> None:
        for row in rejected:
            if not self.count:
                self._open()
            self.count += 1
            if self._file:
                csv.writer(self._file).writerow((row.line, row.reason, *row.values))

    def keep(self) -> Path | None:
        """Give the file its final name, replacing an earlier import's; returns its path, None without rejected rows."""
        if self._file is None or self.path is None:
            return None
        self._file.close()
        return Path(self._file.name).replace(self.path)

    def _open(self) -> None:
        for folder in self.candidate_folders:
            self.path = folder / self.name
            try:
                self._file = (folder / f".{self.name}.part").open("w", newline="", encoding="utf-8")
            except OSError as error:
                log.warning("rejected rows file not writable", folder=str(folder), reason=error.strerror)
                continue
            csv.writer(self._file).writerow(("line", "reason", *self.columns))
            return
        self.path = None
