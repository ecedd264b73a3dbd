"""Pure: a pasted list, or a file, read as logins, with what could not be read and why."""

import csv
import io
import re
from dataclasses import dataclass

from core.errors import BadInput
from core.tracking.login import BadLogin, parse_login

MAX_LENGTH = 1_000_000
MAX_REJECTED = 200
LOGIN_HEADINGS = frozenset(
    {"login", "logins", "account", "accounts", "user", "username", "owner", "organization", "url"}
)
SEPARATOR_PATTERN = re.compile(r"[\s,;]+")
COMMENT_PREFIX = "#"


@dataclass(frozen=True)
class RejectedEntry:
    """What could not be read: in which line (from 1), what, and why in a sentence."""

    line: int
    given: str
    reason: str


@dataclass(frozen=True)
class ParsedAccounts:
    """*logins* in the order given, each once; *repeated* are those that were there before, in any spelling."""

    logins: tuple[str, ...] = ()
    duplicates: tuple[str, ...] = ()
    rejected: tuple[RejectedEntry, ...] = ()


def parse_accounts(text: str) -> ParsedAccounts:
    """Read logins and addresses, one a line or several with commas between, or a table with a column called `login`.

    A line that begins with `#` is a comment. Raises BadInput for what is too long to be a list of accounts.
    """
    if len(text) > MAX_LENGTH:
        raise BadInput(f"This is too long for a list of accounts; take at most {MAX_LENGTH:,} characters")
    lines = text.lstrip("\N{ZERO WIDTH NO-BREAK SPACE}").splitlines()
    entries = _login_column(lines) or [
        (number, word) for number, line in enumerate(lines, 1) if not _is_comment(line) for word in _split_entries(line)
    ]
    return _parse_entries(entries)


def _login_column(lines: list[str]) -> list[tuple[int, str]] | None:
    """The entries of the column that holds logins; None where the first line names none, or is the only column."""
    first = next((number for number, line in enumerate(lines) if line.strip() and not _is_comment(line)), None)
    if first is None:
        return None
    delimiter = next((one for one in (";", "\t", ",") if one in lines[first]), ",")
    headings = [name.strip().lower() for name in next(csv.reader([lines[first]], delimiter=delimiter))]
    at = next((place for place, name in enumerate(headings) if name in LOGIN_HEADINGS), None)
    if at is None:
        return None
    reader = csv.reader(io.StringIO("\n".join(lines[first + 1 :])), delimiter=delimiter, strict=False)
    try:
        rows = [(first + 1 + reader.line_num, row) for row in reader]
    except csv.Error:
        raise BadInput("This table cannot be read; save it as CSV with one account a line") from None
    return [(number, row[at].strip()) for number, row in rows if len(row) > at and row[at].strip()]


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith(COMMENT_PREFIX)


def _split_entries(line: str) -> list[str]:
    return [word.strip("\"'") for word in SEPARATOR_PATTERN.split(line) if word.strip("\"'")]


def _parse_entries(entries: list[tuple[int, str]]) -> ParsedAccounts:
    logins: dict[str, str] = {}
    repeated: list[str] = []
    rejected: list[RejectedEntry] = []
    for line, given in entries:
        try:
            login = parse_login(given)
        except BadLogin as error:
            rejected.append(RejectedEntry(line, given[:60], str(error)))
            continue
        if login.lower() in logins:
            repeated.append(login)
        else:
            logins[login.lower()] = login
    return ParsedAccounts(tuple(logins.values()), tuple(repeated), tuple(rejected[:MAX_REJECTED]))
