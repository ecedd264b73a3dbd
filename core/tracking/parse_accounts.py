"""Parse a pasted list or an uploaded file of logins and URLs, and report invalid entries."""

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
    """An invalid entry: its line (from 1), its text and the reason as a sentence."""

    line: int
    text: str
    reason: str


@dataclass(frozen=True)
class ParsedAccounts:
    """*logins* are unique and in the given order; *duplicates* are repetitions, ignoring case."""

    logins: tuple[str, ...] = ()
    duplicates: tuple[str, ...] = ()
    rejected: tuple[RejectedEntry, ...] = ()


def parse_accounts(text: str) -> ParsedAccounts:
    """Parse logins and URLs: one per line, separated by commas, or a CSV table with a column called `login`.

    Lines that begin with `#` are comments. Raises BadInput when the text is too long or an unreadable table.
    """
    if len(text) > MAX_LENGTH:
        raise BadInput(f"This list is too long: the maximum is {MAX_LENGTH:,} characters")
    lines = text.lstrip("\N{ZERO WIDTH NO-BREAK SPACE}").splitlines()
    entries = _login_column(lines) or [
        (number, word) for number, line in enumerate(lines, 1) if not _is_comment(line) for word in _split_entries(line)
    ]
    return _parse_entries(entries)


def _login_column(lines: list[str]) -> list[tuple[int, str]] | None:
    """Return line numbers and entries of the column of logins; None when the first line is not a heading with one."""
    first = next((number for number, line in enumerate(lines) if line.strip() and not _is_comment(line)), None)
    if first is None:
        return None
    delimiter = next((sign for sign in (";", "\t", ",") if sign in lines[first]), ",")
    headings = [name.strip().lower() for name in next(csv.reader([lines[first]], delimiter=delimiter))]
    column = next((index for index, name in enumerate(headings) if name in LOGIN_HEADINGS), None)
    if column is None:
        return None
    reader = csv.reader(io.StringIO("\n".join(lines[first + 1 :])), delimiter=delimiter, strict=False)
    try:
        rows = [(first + 1 + reader.line_num, row) for row in reader]
    except csv.Error:
        raise BadInput("This table cannot be parsed; save it as CSV with one account per line") from None
    return [(number, row[column].strip()) for number, row in rows if len(row) > column and row[column].strip()]


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith(COMMENT_PREFIX)


def _split_entries(line: str) -> list[str]:
    return [word.strip("\"'") for word in SEPARATOR_PATTERN.split(line) if word.strip("\"'")]


def _parse_entries(entries: list[tuple[int, str]]) -> ParsedAccounts:
    logins: dict[str, str] = {}
    duplicates: list[str] = []
    rejected: list[RejectedEntry] = []
    for line, given in entries:
        try:
            login = parse_login(given)
        except BadLogin as error:
            rejected.append(RejectedEntry(line, given[:60], str(error)))
            continue
        if login.lower() in logins:
            duplicates.append(login)
        else:
            logins[login.lower()] = login
    return ParsedAccounts(tuple(logins.values()), tuple(duplicates), tuple(rejected[:MAX_REJECTED]))
