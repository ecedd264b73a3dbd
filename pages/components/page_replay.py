"""Runs of a page that send again what an earlier run sent, of any reader, while all that it read is the same.

Most of what a rerun costs is Streamlit's work on each element: it makes the same messages again. So the messages of a
run are recorded with its inputs: page and URL, theme and locale, the session's state and widgets, and the rows of each
query. A run with equal inputs sends them and registers the same widgets. Rows are compared when the data version is
another one: a page that a refresh has not touched is not drawn again.

Only what is known to follow from these inputs is recorded. A run that reads who is signed in, opens a transaction,
starts a fragment, ends early or draws an element that is not listed here is run again each time. What a page says of
the time (`3 min ago`) is at most a minute old.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, NamedTuple

import structlog
from streamlit import runtime
from streamlit.cursor import get_container_cursor
from streamlit.dataframe.lazy_df_source import DataframeSource
from streamlit.elements import arrow
from streamlit.navigation.page import Page
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_run_context import ScriptRunContext
from streamlit.runtime.state.common import TESTING_KEY, WidgetMetadata, user_key_from_element_id
from streamlit.runtime.state.safe_session_state import SafeSessionState

from core import shared_cache
from core.auth.keyed_lock import KeyedLock
from core.db.engine import watch_access
from core.db.frames import Reads, are_unchanged, collect_reads, frame_bytes, have_equal_rows, version_of_run
from core.export.notebook import Question
from core.shared_cache import ENTRY_BYTES, Key
from pages.components import export, page_notebook
from pages.session.state_keys import SESSION_KEY

log = structlog.get_logger()
VALID_SECONDS = 60
# What one of each needs beside its content.
MESSAGE_BYTES, WIDGET_BYTES, READ_BYTES, ROW_BYTES, KEY_BYTES = 1_000, 2_000, 1_000, 200, 100
# These follow from their arguments alone; others have a side effect, such as a file that a session holds.
ELEMENTS = frozenset(
    (
        "alert", "button", "button_group", "checkbox", "code", "dataframe", "date_input", "download_button", "empty",
        "heading", "html", "link_button", "markdown", "menu_button", "metric", "multiselect", "number_input",
        "page_link", "plotly_chart", "progress", "selectbox", "space", "text", "text_input",
    )
)  # fmt: skip
# Of one run, or of one session and made for each one.
UNTRACED = (export.PERMIT_PREFIX, page_notebook.RECORDING_KEY, TESTING_KEY)
Simple = str | int | float | bool | date | None | tuple[object, ...]


class Used(NamedTuple):
    """Which keys of the session's state the runs of a page and URL have used at a data version."""

    version: int
    keys: frozenset[str]


class Write(NamedTuple):
    """A value that the run wrote to the session's state."""

    key: str
    value: Simple


@dataclass
class Recording:
    """The inputs of a run, its messages and its widgets.

    version    at which the rows were last found to be these
    steps      writes and widgets in their order
    state      what the session's state held before the run, by each key that the run used
    downloads  what a download button writes, by the button's key
    sources    where a long table reads its further rows, by the id in its message
    cursors    where the next element would be drawn, by root container
    """

    version: int
    expires_at: float
    reads: Reads = field(default_factory=Reads)
    state: dict[str, object] = field(default_factory=dict)
    steps: list[Write | tuple[WidgetMetadata[Any], str | None]] = field(default_factory=list)
    messages: list[ForwardMsg] = field(default_factory=list)
    downloads: dict[str, export.Download] = field(default_factory=dict)
    sources: dict[str, DataframeSource] = field(default_factory=dict)
    ids: tuple[frozenset[str], frozenset[str], frozenset[str]] = (frozenset(), frozenset(), frozenset())
    cursors: dict[int, int] = field(default_factory=dict)
    notebook: page_notebook.Recording | None = None
    obstacle: str = ""

    def is_current(self, version: int, *, may_query: bool) -> bool:
        """Return whether a run at *version* would read the same; False if queries had to tell and *may_query* is."""
        if time.monotonic() >= self.expires_at or not (self.version == version or may_query):
            return False
        if self.version != version:
            if not have_equal_rows(self.reads.versioned.values()):
                return False
            self.version = version
        return are_unchanged(self.reads.fresh)

    def size(self) -> int:
        """Return the bytes that this needs."""
        parts = self.notebook.parts if self.notebook else []
        frames = [part.rows for _, part in parts if isinstance(part, Question)]
        return int(
            sum(MESSAGE_BYTES + 2 * message.ByteSize() for message in self.messages)
            + WIDGET_BYTES * len(self.steps)
            + sum(map(frame_bytes, frames))
            + sum(len(read.rows) * ROW_BYTES for read in self.reads.fresh)
            + sum(READ_BYTES + len(read.sql) for read in self.reads.versioned.values())
        )


class ObservedState:
    """The session's state as a recorded run uses it; what it holds is noted before it is used."""

    def __init__(self, state: SafeSessionState, recording: Recording) -> None:
        self._observed, self._recording = state, recording

    def __getattr__(self, name: str) -> Any:
        return getattr(self._observed, name)

    def register_widget(self, metadata: WidgetMetadata[Any], user_key: str | None) -> Any:
        self.note(metadata.id)
        if user_key is not None:
            self.note(user_key)
        if metadata.presenter is not None or metadata.persist_state is not None or metadata.fragment_id is not None:
            self._recording.obstacle = "widget"
        self._recording.steps.append((metadata, user_key))
        return self._observed.register_widget(metadata, user_key)

    def __getitem__(self, key: str) -> Any:
        self.note(key)
        return self._observed[key]

    def __contains__(self, key: str) -> bool:
        self.note(key)
        return key in self._observed

    def __setitem__(self, key: str, value: Any) -> None:
        if isinstance(value, page_notebook.Recording):
            self._recording.notebook = value
        elif not key.startswith(UNTRACED):
            self.note(key)
            if _is_simple(value):
                self._recording.steps.append(Write(key, value))
            else:
                self._recording.obstacle = "write"
        self._observed[key] = value

    def __delitem__(self, key: str) -> None:
        if not key.startswith(UNTRACED):
            self._recording.obstacle = "delete"
        del self._observed[key]

    @property
    def filtered_state(self) -> "ObservedValues":
        return ObservedValues(self._observed.filtered_state, self)

    def refuse(self) -> None:
        self._recording.obstacle = "all state"

    def note(self, key: str) -> None:
        if key == SESSION_KEY:
            self._recording.obstacle = "identity"
        elif key not in self._recording.state and not key.startswith(UNTRACED):
            self._recording.state[key] = raw_values(self._observed, key)


class ObservedValues(Mapping[str, Any]):
    """The values of the session's state, of which widgets look up their own."""

    def __init__(self, values: Mapping[str, Any], state: ObservedState) -> None:
        self._values, self._state = values, state

    def __getitem__(self, key: str) -> Any:
        self._state.note(key)
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        self._state.refuse()
        return iter(self._values)

    def __len__(self) -> int:
        self._state.refuse()
        return len(self._values)


def raw_values(state: SafeSessionState, key: str) -> object:
    """Return all values of *state* under a user's key or a widget's id, as they are stored there."""
    with state._lock:
        inner = state._state
        widget_id = inner._get_widget_id(key)
        wire = inner._new_widget_state.get_serialized(widget_id)
        return (
            None if wire is None else wire.SerializeToString(deterministic=True),
            *(
                found.get(name, ())
                for found in (inner._old_state, inner._new_session_state)
                for name in (key, widget_id)
            ),
        )


def _is_simple(value: object) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_simple, value))
    return value is None or isinstance(value, str | int | float | bool | date)


_enabled = threading.Event()
_enabled.set()
_drawing = KeyedLock()


def enable() -> None:
    """Replay runs in this process, as at its start."""
    _enabled.set()


def disable() -> None:
    """Draw all runs in this process."""
    _enabled.clear()


def show(page: Page, draw: Callable[[], None]) -> None:
    """Call *draw*, which runs *page*, or send what an earlier call sent for the same inputs."""
    ctx = get_script_run_ctx()
    if ctx is None or not _enabled.is_set():
        draw()
        return
    key = ("page replay", page.url_path, shared_cache.fingerprint(_surroundings(ctx)))
    if shared_cache.shared_cache.find(key) is None:
        _draw_and_keep(ctx, key, draw)
        return
    found = _find(ctx, key, may_query=False)
    if found is None:
        # With a new data version all open pages come at once, and one run is enough for those that are equal.
        with _drawing.hold(repr(key)):
            found = _find(ctx, key, may_query=True)
            if found is None:
                _draw_and_keep(ctx, key, draw)
                return
    replay(ctx, page, found)


def _find(ctx: ScriptRunContext, key: Key, *, may_query: bool) -> Recording | None:
    """Return the recording of a run with the same inputs."""
    used = shared_cache.shared_cache.find(key)
    if used is None:
        return None
    own = _state_key(key, {name: raw_values(ctx.session_state, name) for name in used.keys})
    found = shared_cache.shared_cache.find(own) if own else None
    is_current = isinstance(found, Recording) and found.is_current(version_of_run(), may_query=may_query)
    return found if is_current else None


def _surroundings(ctx: ScriptRunContext) -> tuple[object, ...]:
    """Return what a run may read beside state, widgets and rows."""
    return (
        _url(ctx),
        ctx.query_string,
        ctx.is_history_navigation,
        None if ctx.context_info is None else ctx.context_info.SerializeToString(deterministic=True),
        _cursors(ctx),
    )


def _url(ctx: ScriptRunContext) -> object:
    with ctx.session_state.query_params() as params:
        return dict(params._query_params), dict(params._initial_query_params)


def _cursors(ctx: ScriptRunContext) -> dict[int, int]:
    return {root: cursor.index for root, cursor in sorted(ctx.cursors.items())}


def _state_key(key: Key, state: dict[str, object]) -> Key | None:
    try:
        return (*key, shared_cache.fingerprint(sorted(state.items())))
    except Exception:  # whatever a value's own pickling raises
        return None


def _draw_and_keep(ctx: ScriptRunContext, key: Key, draw: Callable[[], None]) -> None:
    version = version_of_run()
    recording = Recording(version, time.monotonic() + VALID_SECONDS)
    used = shared_cache.shared_cache.find(key)
    if used is not None and used.version == version:
        # Runs that use other keys than this one are then distinguished by the same list of keys.
        recording.state = {name: raw_values(ctx.session_state, name) for name in used.keys}
    url = _url(ctx)
    with _recorded(ctx, recording):
        draw()
    if not recording.obstacle and _url(ctx) != url:
        recording.obstacle = "URL"
    if recording.obstacle:
        log.debug("page not recorded", obstacle=recording.obstacle)
        return
    own = _state_key(key, recording.state)
    if own is not None:
        keys = frozenset(recording.state)
        shared_cache.shared_cache.put(key, Used(version, keys), ENTRY_BYTES + KEY_BYTES * len(keys))
        shared_cache.shared_cache.put(own, recording, recording.size())


@contextmanager
def _recorded(ctx: ScriptRunContext, recording: Recording) -> Iterator[None]:
    """Fill *recording* with what the block draws."""
    state, shared, send = ctx.session_state, ctx.shared, ctx.enqueue
    fragments = shared.new_fragment_ids.snapshot()
    sets = (shared.widget_ids_this_run, shared.widget_user_keys_this_run, shared.form_ids_this_run)
    before = [found.snapshot() for found in sets]

    def record(message: ForwardMsg) -> None:
        send(message)
        _check_message(message, recording)
        recording.messages.append(message)

    def refuse() -> None:
        recording.obstacle = "transaction"

    ctx.session_state = ObservedState(state, recording)  # type: ignore[assignment]
    ctx.enqueue = record  # type: ignore[method-assign, assignment]
    try:
        with watch_access(refuse), collect_reads() as reads, export.collect_downloads(recording.downloads):
            yield
    finally:
        ctx.session_state = state
        del ctx.enqueue
    recording.reads = reads
    first, second, third = (found.snapshot() - earlier for found, earlier in zip(sets, before, strict=True))
    recording.ids, recording.cursors = (first, second, third), _cursors(ctx)
    if ctx.has_dialog_opened or ctx.shared.new_fragment_ids.snapshot() != fragments:
        recording.obstacle = "fragment"


def _check_message(message: ForwardMsg, recording: Recording) -> None:
    if message.WhichOneof("type") != "delta" or message.delta.fragment_id:
        recording.obstacle = "message"
        return
    delta = message.delta
    if delta.WhichOneof("type") == "new_element":
        kind = delta.new_element.WhichOneof("type")
        if kind not in ELEMENTS:
            recording.obstacle = f"element {kind}"
        elif kind == "download_button":
            key = user_key_from_element_id(delta.new_element.download_button.id)
            if key not in recording.downloads:
                recording.obstacle = "download"
        elif source_id := delta.new_element.dataframe.lazy_data.source_id:
            source = _source(source_id)
            if source is None:
                recording.obstacle = "rows of a session that ended"
            else:
                recording.sources[source_id] = source
    elif delta.WhichOneof("type") != "add_block" or delta.add_block.WhichOneof("type") in {"dialog", "form"}:
        recording.obstacle = "block"


def _source(source_id: str) -> DataframeSource | None:
    manager = arrow._get_dataframe_source_mgr()
    registered = manager and manager._sources.get(source_id)
    return registered.source if registered else None


def replay(ctx: ScriptRunContext, page: Page, recording: Recording) -> None:
    """Send and register what *recording* holds, with downloads and sources of rows of this session's own."""
    downloads = {key: export.for_this_session(key, made.write) for key, made in recording.downloads.items()}
    for step in recording.steps:
        if isinstance(step, Write):
            ctx.session_state[step.key] = step.value
            continue
        metadata, user_key = step
        if user_key in downloads:
            metadata = replace(metadata, callback_args=downloads[user_key].callback_args)
        ctx.session_state.register_widget(metadata, user_key)
    # Afterwards: no state can be written of a widget that has been drawn.
    shared = ctx.shared
    drawn = (shared.widget_ids_this_run, shared.widget_user_keys_this_run, shared.form_ids_this_run)
    for names, found in zip(recording.ids, drawn, strict=True):
        for name in names:
            found.check_and_add(name)
    with ctx.run_with_active_hash(page._script_hash):
        send_together(ctx, [_for_this_session(message, recording, downloads) for message in recording.messages])
    for root, index in recording.cursors.items():
        cursor = get_container_cursor(root)
        if cursor is not None:
            cursor._index = index


def send_together(ctx: ScriptRunContext, messages: list[ForwardMsg]) -> None:
    """Send *messages* as `ctx.enqueue` would one by one, in one turn of the event loop: it takes two for each."""
    manager = getattr(runtime.get_instance(), "_session_mgr", None) if runtime.exists() else None
    found = manager and manager.get_session_info(ctx.session_id)
    if not found or not messages:
        for message in messages:
            ctx.enqueue(message)
        return
    session, send = found.session, ctx._enqueue
    runner: Any = getattr(send, "__self__", None)
    together: list[ForwardMsg] = []
    ctx._enqueue = together.append
    try:
        for message in messages:
            ctx.enqueue(message)
    finally:
        ctx._enqueue = send

    def deliver() -> None:
        if session._scriptrunner is runner:
            for message in together[:-1]:
                session._browser_queue.enqueue(message)
            session._enqueue_forward_msg(together[-1])

    # Where the page is to run again or its session has ended, this ends the run.
    runner._maybe_handle_execution_control_request()
    session._call_soon_on_event_loop(deliver)


def _for_this_session(
    message: ForwardMsg, recording: Recording, downloads: Mapping[str, export.SessionDownload]
) -> ForwardMsg:
    """Return *message*, with what its session holds in place of what the recorded one held: a file, rows of a table."""
    element = message.delta.new_element
    if element.download_button.deferred_file_id and runtime.exists():
        changed = _copied(message)
        button = changed.delta.new_element.download_button
        key = user_key_from_element_id(button.id) or ""
        button.deferred_file_id = runtime.get_instance().media_file_mgr.add_deferred(
            downloads[key].content,
            recording.downloads[key].mime,
            _coordinates(message),
            file_name=recording.downloads[key].file_name,
            element_id=button.id,
        )
        return changed
    if source := recording.sources.get(element.dataframe.lazy_data.source_id):
        changed = _copied(message)
        lazy_data = changed.delta.new_element.dataframe.lazy_data
        manager = arrow._get_dataframe_source_mgr()
        assert manager is not None  # as when it was recorded
        registered = manager.register_source(source, _coordinates(message), page_size=lazy_data.page_size)
        lazy_data.source_id = registered.source_id
        return changed
    return message


def _copied(message: ForwardMsg) -> ForwardMsg:
    changed = ForwardMsg()
    changed.CopyFrom(message)
    changed.ClearField("hash")
    return changed


def _coordinates(message: ForwardMsg) -> str:
    return str(list(message.metadata.delta_path))
