"""The repositories that a history file names, numbered as they come; names compare without regard to case."""

from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

ATTRIBUTES = ("language", "license", "description", "created_at")


@dataclass
class NamedRepository:
    """One repository as the file has it: its newest spelling, its days, and the newest it says of it."""

    number: int
    full_name: str
    first: date
    last: date
    attributes: dict[str, tuple[date, object]] = field(default_factory=dict)


class RepositoryNames:
    def __init__(self) -> None:
        self.named: dict[str, NamedRepository] = {}

    def __len__(self) -> int:
        return len(self.named)

    def number(self, rows: pa.Table) -> pa.ChunkedArray:
        """Tell the number of each row's repository, and remember what the rows say of it."""
        spans = rows.group_by("full_name").aggregate([("captured_on", "min"), ("captured_on", "max")])
        numbers = [
            self._met(name, first, last)
            for name, first, last in zip(*(column.to_pylist() for column in spans.columns), strict=True)
        ]
        of_row = pc.index_in(rows["full_name"], spans["full_name"].combine_chunks())
        for attribute in ATTRIBUTES:
            if attribute in rows.column_names:
                self._keep_latest_attribute(attribute, rows)
        return pa.array(numbers, pa.int32()).take(of_row)

    def _met(self, full_name: str, first: date, last: date) -> int:
        named = self.named.setdefault(full_name.lower(), NamedRepository(len(self.named), full_name, first, last))
        if last >= named.last:
            named.full_name, named.last = full_name, last
        named.first = min(named.first, first)
        return named.number

    def _keep_latest_attribute(self, attribute: str, rows: pa.Table) -> None:
        said = rows.filter(pc.is_valid(rows[attribute])).group_by(["full_name", attribute])
        columns = said.aggregate([("captured_on", "max")])
        for name, value, day in zip(
            *(columns[column].to_pylist() for column in ("full_name", attribute, "captured_on_max")), strict=True
        ):
            held = self.named[name.lower()].attributes
            if attribute not in held or day >= held[attribute][0]:
                held[attribute] = (day, value)
