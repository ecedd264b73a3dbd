"""Comparing several things over time: the names that people ask for, and values indexed to a common moment (pure)."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from core.errors import BadInput
from core.tracking.login import parse_name
from core.tracking.parse_accounts import split_entries

MAX_SUBJECTS = 10
MAX_PARSED = 1_000
"""Names beyond these are counted, not parsed: somebody pasted a list."""
INDEX_DEFINITION = (
    "**Indexed**: 100 is the first moment at which each of them has a number above zero: the first common date, or the "
    "first common age. Where there is none, each one starts at 100 with its own first number."
)


@dataclass(frozen=True)
class AskedNames:
    """The names in a request to compare.

    names     logins or `owner/name`, each once regardless of case, at most MAX_SUBJECTS, in the given order
    left_out  how many other entries there were beyond MAX_SUBJECTS
    invalid   why the others are no names, as sentences without a full stop
    """

    names: tuple[str, ...] = ()
    left_out: int = 0
    invalid: tuple[str, ...] = ()


def parse_names(texts: Iterable[str], most: int = MAX_SUBJECTS) -> AskedNames:
    """Parse logins, `owner/name` and URLs, separated by commas, semicolons or spaces; *most* of them are kept."""
    entries = (word for text in texts for word in split_entries(text))
    names: dict[str, str] = {}
    invalid: list[str] = []
    for word in islice(entries, MAX_PARSED):
        try:
            parsed = parse_name(word)
        except BadInput as error:
            invalid.append(str(error))
            continue
        name = parsed.full_name or parsed.login
        names.setdefault(name.lower(), name)
    kept = list(names.values())
    rest = len(kept[most:]) + sum(1 for _ in entries)
    return AskedNames(tuple(kept[:most]), rest, tuple(invalid))


@dataclass(frozen=True)
class StepSeries:
    """The values of one thing along an axis of dates or ages.

    at, values  where each value begins, ascending; it rests until the next one
    covered     from where to where values are confirmed: outside they are not known
    """

    at: Sequence[float]
    values: Sequence[float]
    covered: Sequence[tuple[float, float]]

    def value(self, position: float) -> float | None:
        """Return the value at *position*; None where it is not known."""
        index = bisect_right(self.at, position) - 1
        if index < 0 or not any(start <= position <= end for start, end in self.covered):
            return None
        return self.values[index]


@dataclass(frozen=True)
class IndexBases:
    """The value of each one that is 100; None for one without a value above zero.

    position  where on the axis these are; None where each one has its own first value
    """

    values: Sequence[float | None]
    position: float | None


def index_bases(compared: Sequence[StepSeries]) -> IndexBases:
    """Find what is 100, as INDEX_DEFINITION says."""
    own_first = [next((value for value in one.values if value > 0), None) for one in compared]
    if compared and None not in own_first:
        starts = [start for one in compared for start, _ in one.covered]
        for position in sorted({*(at for one in compared for at in one.at), *starts}):
            found = [one.value(position) for one in compared]
            if all(value is not None and value > 0 for value in found):
                return IndexBases(found, position)
    return IndexBases(own_first, None)
