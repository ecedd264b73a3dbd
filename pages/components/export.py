"""Downloads of rows as files, counted against the reader's export limit.

Streamlit calls the download's data function in a separate request after the click, where no message can be shown. The
limit is checked in the script run of the same click, which can show one; the data function waits for that decision.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any
from uuid import UUID

import streamlit as st
from pandas import DataFrame

from core.errors import Forbidden, RateLimitExceeded
from core.export.table_files import parquet, spreadsheet_csv
from core.ratelimit import limiter
from core.wording import quantity
from pages.components import as_of
from pages.session import current, guard, media_files

FORMATS: tuple[tuple[str, Callable[[DataFrame], bytes], str, str], ...] = (
    ("CSV", spreadsheet_csv, "text/csv", ":material/download:"),
    ("Parquet", parquet, "application/vnd.apache.parquet", ":material/deployed_code:"),
)
# The script run of the click begins once the run before it pauses, which a slow query delays.
PERMIT_TIMEOUT_SECONDS = 60.0
# The browser requests file and script run at the same time: after this long no request for the file will come.
DECISION_SECONDS = 5.0
PERMIT_PREFIX = "permit-"  # of keys of the session's state


class ExportPermit:
    """The decision on one export at a time, handed from the script run to the thread that writes the file.

    One that comes after that thread has stopped waiting is not for the next export: it lapses after DECISION_SECONDS.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._decisions: SimpleQueue[tuple[float, UUID | None]] = SimpleQueue()

    def resolve(self, session_id: UUID | None) -> None:
        """Let the waiting thread go on and write the file for that session, or fail where it is None."""
        self._decisions.put((self._monotonic(), session_id))

    def wait_until_allowed(self, timeout_seconds: float = PERMIT_TIMEOUT_SECONDS) -> None:
        """Return once this export is allowed. Raises Forbidden when it is refused or the timeout passes."""
        oldest = self._monotonic() - DECISION_SECONDS
        try:
            decided_at, session_id = self._decisions.get(timeout=timeout_seconds)
            while decided_at < oldest:
                decided_at, session_id = self._decisions.get(timeout=timeout_seconds)
        except Empty:
            session_id = None
        if session_id is None:
            raise Forbidden("This export is not allowed now")
        media_files.make_for(session_id)


@dataclass(frozen=True)
class Download:
    """A file that is made after a click."""

    write: Callable[[], bytes]
    file_name: str
    mime: str


@dataclass(frozen=True)
class SessionDownload:
    """A download's data function and the arguments of its callback, both of one session."""

    content: Callable[[], bytes]
    callback_args: tuple[ExportPermit]


_collected: ContextVar[dict[str, Download] | None] = ContextVar("downloads", default=None)


@contextmanager
def collect_downloads(found: dict[str, Download]) -> Iterator[None]:
    """Add to *found*, by key, the downloads that this block draws."""
    token = _collected.set(found)
    try:
        yield
    finally:
        _collected.reset(token)


def for_this_session(key: str, write: Callable[[], bytes]) -> SessionDownload:
    permit: ExportPermit = st.session_state.setdefault(f"{PERMIT_PREFIX}{key}", ExportPermit())

    def file_content() -> bytes:
        permit.wait_until_allowed()
        return write()

    return SessionDownload(file_content, (permit,))


def export_buttons(rows: DataFrame, name: str) -> None:
    """Draw the CSV and Parquet downloads of *rows*; *name* is unique on the page and part of the file's name."""
    export_buttons_for(lambda: rows, len(rows), name)


def export_buttons_for(read_rows: Callable[[], DataFrame], count: int, name: str) -> None:
    """Draw downloads like `export_buttons` of *count* rows that are read after the click, outside the script run."""
    for label, write, mime, icon in FORMATS:
        download(
            label,
            partial(_write, write, read_rows),
            key=f"tool-{label.lower()}-{name}",
            file_name=file_name(name, label.lower()),
            mime=mime,
            icon=icon,
            help=f"Download {quantity(count, 'row')} as {label}",
            disabled=not count,
        )


def _write(write: Callable[[DataFrame], bytes], read_rows: Callable[[], DataFrame]) -> bytes:
    return write(read_rows())


def file_name(name: str, extension: str) -> str:
    """Return the name of a downloaded file: `almanac-repositories-2026-03-31.csv`."""
    return f"almanac-{name}-{as_of.selected_as_of() or datetime.now(UTC):%Y-%m-%d}.{extension}"


def download(
    label: str, write: Callable[[], bytes], *, key: str, file_name: str, mime: str, icon: str, help: str, **options: Any
) -> None:
    """Draw a download button; *write* makes the file only after a click that the export limit allows."""
    if (collected := _collected.get()) is not None:
        collected[key] = Download(write, file_name, mime)
    own = for_this_session(key, write)
    st.download_button(
        label,
        data=own.content,
        file_name=file_name,
        mime=mime,
        icon=icon,
        type="tertiary",
        on_click=check_export_limit,
        args=own.callback_args,
        help=help,
        key=key,
        **options,
    )


def refuse_export(permit: ExportPermit) -> None:
    permit.resolve(None)


@guard.callback(when_ended=refuse_export)
def check_export_limit(permit: ExportPermit) -> None:
    """Count one export for the reader and resolve *permit*; over the limit, show when the next is possible."""
    identity = current.current_identity()
    try:
        limiter.check("export", str(identity.person_id))
    except RateLimitExceeded as exceeded:
        permit.resolve(None)
        st.toast(f"{exceeded}.", icon=":material/hourglass_top:", duration="long")
    else:
        permit.resolve(identity.session_id)
