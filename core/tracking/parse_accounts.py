"""Parse a pasted list or an uploaded file of logins and URLs, and report invalid entries."""

import csv
import io
import re
from dataclasses import dataclass

from core.errors import BadInput
from core.tracking.login import MARKDOWN_LINK_PATTERN, BadLogin, parse_name, parse_repository

MAX_LENGTH = 1_000_000
MAX_REJECTED = 200
# Headings of the column to read, the first of these that a table has.
LOGIN_HEADINGS = (
    *("login", "logins", "account", "accounts", "user", "username", "owner", "organization", "organisation", "org"),
    *("url", "html_url", "full_name", "repository", "repositories", "repo", "repos"),
)
# In these columns a name without an owner is a repository's.
REPOSITORY_HEADINGS = frozenset({"full_name", "repository", "repositories", "repo", "repos"})
SEPARATOR_PATTERN = re.compile(r"[\s,;]+")
COMMENT_PREFIX = "#"
LIST_MARKER_PATTERN = re.compile(r"^\s*(?:[-*+•]|\d+[.)])\s+")


@dataclass(frozen=True)
class RejectedEntry:
    """An invalid entry: its line (from 1), its text and the reason as a sentence."""

    line: int
    text: str
    reason: str


@dataclass(frozen=True)
class ParsedAccounts:
    """*logins* are unique and in the given order; *duplicates* are repetitions, ignoring case.

    *repositories* are those whose owner was taken.
    """

    logins: tuple[str, ...] = ()
    duplicates: tuple[str, ...] = ()
    rejected: tuple[RejectedEntry, ...] = ()
    repositories: tuple[str, ...] = ()


def parse_accounts(text: str) -> ParsedAccounts:
    """Parse logins, repositories and URLs: a list, or a CSV table with one of LOGIN_HEADINGS.

    A list has one per line or is separated by commas; lines that begin with `#` are comments. Of a repository its owner
    is taken. Raises BadInput when the text is too long or an unreadable table.
    """
    if len(text) > MAX_LENGTH:
        raise BadInput(f"This list is too long: the maximum is {MAX_LENGTH:,} characters")
    lines = text.lstrip("\N{ZERO WIDTH NO-BREAK SPACE}").splitlines()
    if table := _login_column(lines):
        heading, entries = table
        return _parse_entries(entries, only_repositories=heading in REPOSITORY_HEADINGS)
    return _parse_entries(
        [
            (number, word)
            for number, line in enumerate(lines, 1)
            if not _is_comment(line)
            for word in split_entries(line)
        ]
    )


def _login_column(lines: list[str]) -> tuple[str, list[tuple[int, str]]] | None:
    """Return the heading, line numbers and entries of the column of logins; None without such a heading or entries."""
    first = next((number for number, line in enumerate(lines) if line.strip() and not _is_comment(line)), None)
    if first is None:
        return None
    delimiter = next((sign for sign in (";", "\t", ",") if sign in lines[first]), ",")
    headings = [name.strip().lower() for name in next(csv.reader([lines[first]], delimiter=delimiter))]
    heading = next((name for name in LOGIN_HEADINGS if name in headings), None)
    if heading is None:
        return None
    column = headings.index(heading)
    reader = csv.reader(io.StringIO("\n".join(lines[first + 1 :])), delimiter=delimiter, strict=False)
    try:
        rows = [(first + 1 + reader.line_num, row) for row in reader]
    except csv.Error:
        raise BadInput("This table cannot be parsed; save it as CSV with one account per line") from None
    entries = [(number, row[column].strip()) for number, row in rows if len(row) > column and row[column].strip()]
    return (heading, entries) if entries else None


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith(COMMENT_PREFIX)


def split_entries(line: str) -> list[str]:
    """Split a line at spaces, commas and semicolons; of a Markdown link only the target counts."""
    # A link's text may have spaces and commas: only its target counts.
    line = MARKDOWN_LINK_PATTERN.sub(r" \1 ", LIST_MARKER_PATTERN.sub("", line))
    return [word.strip("\"'") for word in SEPARATOR_PATTERN.split(line) if word.strip("\"'")]


def _parse_entries(entries: list[tuple[int, str]], *, only_repositories: bool = False) -> ParsedAccounts:
    logins: dict[str, str] = {}
    repositories: list[str] = []
    duplicates: list[str] = []
    rejected: list[RejectedEntry] = []
    for line, given in entries:
        try:
            name = parse_name(given)
            if only_repositories:
                parse_repository(given)
        except BadLogin as error:
            rejected.append(RejectedEntry(line, given[:60], str(error)))
            continue
        login = name.login
        if name.full_name:
            repositories.append(name.full_name)
        if login.lower() in logins:
            duplicates.append(login)
        else:
            logins[login.lower()] = login
    return ParsedAccounts(
        tuple(logins.values()), tuple(duplicates), tuple(rejected[:MAX_REJECTED]), tuple(repositories)
    )
