"""An UPSERT that skips equal rows compares every column that it would write: a forgotten one is never corrected."""

import importlib
import pkgutil
import re
from collections.abc import Iterator

import pytest

import core
import ingest

COMPARISON = re.compile(r"ROW\((?P<stored>[^()]*(?:\([^()]*\)[^()]*)*)\)\s*IS DISTINCT FROM", re.DOTALL)
COPIED = re.compile(r"\b(\w+) = (?:coalesce\()?\w+\.(\w+)\b")


def statements() -> Iterator[tuple[str, str]]:
    """Yield the statements in modules' constants that overwrite a row where it differs: name and SQL."""
    for package in (core, ingest):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if found.name.endswith("__main__") or ".migrations." in found.name:
                continue
            module = importlib.import_module(found.name)
            for name, value in vars(module).items():
                if isinstance(value, str) and name.isupper() and comparison_after_set(value):
                    yield f"{found.name}.{name}", value


def comparison_after_set(sql: str) -> re.Match[str] | None:
    """Return the comparison of an UPDATE, or of what an INSERT does on conflict."""
    start = re.search(r"DO UPDATE\s+SET |UPDATE \w+( AS \w+)?\s+SET ", sql)
    return COMPARISON.search(sql, start.end()) if start else None


STATEMENTS = dict(statements())


def test_the_statements_are_found():
    found = {name.rpartition(".")[2] for name in STATEMENTS}
    assert {"UPSERT_RELEASES", "REPLACE_CONTRIBUTORS", "UPSERT_NAMED_REPOSITORIES", "UPDATE_IMPORT_GROWTH"} <= found


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_column_that_is_copied_is_compared(name):
    sql = STATEMENTS[name]
    comparison = comparison_after_set(sql)
    assert comparison is not None
    assigned = re.split(r"\bFROM\b|\bWHERE\b", sql[: comparison.start()].rpartition("SET ")[2])[0]
    copied = {column for column, given in COPIED.findall(assigned) if column == given}
    compared = set(re.findall(r"\b\w+\.(\w+)\b", comparison["stored"]))
    assert copied
    assert copied <= compared, copied - compared
