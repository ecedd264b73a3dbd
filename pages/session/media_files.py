"""Files under `/media/`, each readable only in the sign-in session for which it was made.

Streamlit serves a file to whoever knows its URL. Neither its storage nor its route can be configured, so the storage
is replaced before Streamlit creates one; `tests/pages/session/test_media_files.py` checks what that relies on.

Streamlit also deletes a download after two script runs of any reader, on a busy server before the browser has asked for
it (Streamlit 1.67.0, `MediaFileManager.remove_orphaned_files`). Here a download stays for a minute. So does what a
download button calls for its file: each run makes new ones, and a browser that is behind still shows the button of the
run before.
"""

import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import PurePosixPath
from uuid import UUID

import streamlit as st
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.runtime import memory_media_file_storage
from streamlit.runtime import runtime as streamlit_runtime
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.media_file_storage import MediaFileKind, MediaFileStorage
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.auth.identity import Identity
from core.web.middleware.error_responses import error_response
from pages.session.state_keys import SESSION_KEY

MEDIA_PREFIX = "/media/"
DOWNLOAD_SECONDS = 60.0
_session_of_next_file: ContextVar[UUID | None] = ContextVar("session_of_next_file", default=None)
_lock = threading.Lock()
_sessions_by_file: dict[str, set[UUID]] = {}


def make_for(session_id: UUID) -> None:
    """Let the file that this thread stores next, outside of a script run, belong to that session."""
    _session_of_next_file.set(session_id)


def belongs_to(file_id: str, session_id: UUID | None) -> bool:
    with _lock:
        return session_id in _sessions_by_file.get(file_id, ())


class SessionMediaStorage(MemoryMediaFileStorage):
    """Remembers for which sessions a file was made: several, where they made the same one.

    A download that Streamlit deletes within DOWNLOAD_SECONDS stays until then; the next file or deletion removes it.
    """

    def __init__(self, media_endpoint: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__(media_endpoint)
        self._monotonic = monotonic
        self._made_at: dict[str, float] = {}
        self._deleted: set[str] = set()
        self._lock = threading.Lock()

    def load_and_get_id(
        self, path_or_data: str | bytes, mimetype: str, kind: MediaFileKind, filename: str | None = None
    ) -> str:
        session_id = _session_of_next_file.get()
        _session_of_next_file.set(None)
        if session_id is None and get_script_run_ctx() is not None:
            session_id = st.session_state.get(SESSION_KEY)
        self._remove_expired()
        with self._lock:
            file_id = super().load_and_get_id(path_or_data, mimetype, kind, filename)
            self._deleted.discard(file_id)
            if kind is MediaFileKind.DOWNLOADABLE:
                self._made_at[file_id] = self._monotonic()
        if session_id is not None:
            with _lock:
                _sessions_by_file.setdefault(file_id, set()).add(session_id)
        return file_id

    def delete_file(self, file_id: str) -> None:
        with self._lock:
            self._deleted.add(file_id)
        self._remove_expired()

    def _remove_expired(self) -> None:
        with self._lock:
            oldest = self._monotonic() - DOWNLOAD_SECONDS
            for file_id in [one for one in self._deleted if self._made_at.get(one, oldest) <= oldest]:
                self._deleted.discard(file_id)
                self._made_at.pop(file_id, None)
                with _lock:
                    _sessions_by_file.pop(file_id, None)
                super().delete_file(file_id)


class SessionMediaFiles(MediaFileManager):
    """Lets a download button make its file for DOWNLOAD_SECONDS after a later run has drawn the button again."""

    def __init__(self, storage: MediaFileStorage, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__(storage)
        self._monotonic = monotonic
        self._replaced_at: dict[str, float] = {}

    def _remove_orphaned_deferred_callables(self) -> None:
        now = self._monotonic()
        drawn = {file_id for files in self._files_by_session_and_coord.values() for file_id in files.values()}
        replaced = [file_id for file_id in self._deferred_callables if file_id not in drawn]
        self._replaced_at = {file_id: self._replaced_at.get(file_id, now) for file_id in replaced}
        for file_id, at in self._replaced_at.items():
            if now - at >= DOWNLOAD_SECONDS:
                self._drop_deferred_id(file_id)


def replace_streamlits() -> None:
    """Let Streamlit use our storage and our files; call this before `st.App`."""
    memory_media_file_storage.MemoryMediaFileStorage = SessionMediaStorage  # type: ignore[misc]
    streamlit_runtime.MediaFileManager = SessionMediaFiles  # type: ignore[attr-defined]


class OwnMediaFiles:
    """Middleware: 404 for a file of another session, like for one that does not exist."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(MEDIA_PREFIX) and not is_own(scope):
            await error_response(404, "not_found", "There is no such file.")(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def is_own(scope: Scope) -> bool:
    identity = scope["state"].get("identity")
    name = PurePosixPath(scope["path"].removeprefix(MEDIA_PREFIX))
    return isinstance(identity, Identity) and belongs_to(name.stem, identity.session_id)
