"""A file under /media/ is read in the session for which it was made, and in no other."""

from uuid import uuid4

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from streamlit.runtime import memory_media_file_storage
from streamlit.runtime import runtime as streamlit_runtime
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.media_file_storage import MediaFileKind, MediaFileStorageError
from streamlit.web.server.starlette.starlette_routes import create_media_routes

from core.auth.identity import Identity
from pages.session import media_files
from tests.core.web.api.conftest import SignedInAs

ADA, EVE = uuid4(), uuid4()


def reader(session_id, **more):
    return Identity(1, "reader", "analyst", session_id=session_id, **more)


def status(storage, url, identity):
    """Return the status that *identity* gets for *url* from Streamlit's own route behind our middleware."""
    layers = [Middleware(SignedInAs, identity=identity), Middleware(media_files.OwnMediaFiles)]
    application = Starlette(routes=create_media_routes(storage, ""), middleware=layers)
    return TestClient(application).get(url).status_code


@pytest.fixture
def now():
    return [1000.0]


@pytest.fixture
def storage(now):
    return media_files.SessionMediaStorage("/media", monotonic=lambda: now[0])


def export(manager, session_id, content):
    """Make a file as a download button does on a click, and return its URL."""

    def write():
        media_files.make_for(session_id)
        return content

    return manager.execute_deferred(manager.add_deferred(write, "text/csv", "1.2.3", "rows.csv"))


def test_an_export_is_read_by_its_own_session_only(storage):
    url = export(MediaFileManager(storage), ADA, b"private\n1\n")
    readers = [reader(ADA), reader(EVE), reader(None, api_key_id=1), None]
    assert [status(storage, url, one) for one in readers] == [200, 404, 404, 404]


def test_two_sessions_that_make_the_same_file_both_read_it_until_it_is_deleted(storage, now):
    manager = MediaFileManager(storage)
    url = export(manager, ADA, b"same\n")
    assert status(storage, url, reader(EVE)) == 404
    assert export(manager, EVE, b"same\n") == url
    assert [status(storage, url, reader(one)) for one in (ADA, EVE)] == [200, 200]
    now[0] += media_files.DOWNLOAD_SECONDS
    for _ in range(2):  # Streamlit keeps a download for one more run
        manager.remove_orphaned_files()
    assert status(storage, url, reader(ADA)) == 404
    assert not media_files.belongs_to(url.removeprefix("/media/").removesuffix(".csv"), ADA)


def test_a_download_outlasts_the_script_runs_of_other_readers_for_a_minute(storage, now):
    manager = MediaFileManager(storage)
    url = export(manager, ADA, b"rows\n")
    for _ in range(5):
        manager.remove_orphaned_files()
    now[0] += media_files.DOWNLOAD_SECONDS - 1
    manager.remove_orphaned_files()
    assert status(storage, url, reader(ADA)) == 200
    assert export(manager, ADA, b"rows\n") == url
    now[0] += 2
    export(manager, ADA, b"other\n")
    assert status(storage, url, reader(ADA)) == 200
    for _ in range(2):
        manager.remove_orphaned_files()
    now[0] += media_files.DOWNLOAD_SECONDS
    latest = export(manager, ADA, b"latest\n")
    assert [status(storage, one, reader(ADA)) for one in (url, latest)] == [404, 200]


def test_a_picture_is_deleted_at_once(storage):
    picture = storage.load_and_get_id(b"x", "image/png", MediaFileKind.MEDIA)
    storage.delete_file(picture)
    with pytest.raises(MediaFileStorageError):
        storage.get_file(picture)


def test_a_session_is_named_for_one_file_only(storage):
    media_files.make_for(ADA)
    first, second = (storage.load_and_get_id(text, "text/csv", MediaFileKind.DOWNLOADABLE) for text in (b"1", b"2"))
    assert media_files.belongs_to(first, ADA)
    assert not media_files.belongs_to(second, ADA)


def test_a_file_of_a_script_run_belongs_to_the_session_of_its_page(storage, monkeypatch):
    monkeypatch.setattr(media_files, "get_script_run_ctx", object)
    monkeypatch.setattr(media_files.st, "session_state", {media_files.SESSION_KEY: EVE})
    made = storage.load_and_get_id(b"x", "text/plain", MediaFileKind.MEDIA)
    assert media_files.belongs_to(made, EVE)


def test_the_button_of_an_earlier_run_makes_its_file_for_a_minute(storage, now):
    """A browser that is behind shows it while the next run is under way, and after it."""
    manager = media_files.SessionMediaFiles(storage, monotonic=lambda: now[0])
    shown = manager.add_deferred(lambda: b"shown\n", "text/csv", "1.2.3", "rows.csv")
    manager.clear_session_refs()  # as at the start of a run
    manager.remove_orphaned_files()  # as at the end of another reader's run
    manager.add_deferred(lambda: b"next\n", "text/csv", "1.2.3", "rows.csv")
    now[0] += media_files.DOWNLOAD_SECONDS - 1
    manager.remove_orphaned_files()
    assert manager.execute_deferred(shown)
    now[0] += 1
    manager.remove_orphaned_files()
    with pytest.raises(MediaFileStorageError):
        manager.execute_deferred(shown)


def test_the_button_that_is_drawn_makes_its_file_however_late(storage, now):
    manager = media_files.SessionMediaFiles(storage, monotonic=lambda: now[0])
    drawn = manager.add_deferred(lambda: b"drawn\n", "text/csv", "1.2.3", "rows.csv")
    manager.remove_orphaned_files()
    now[0] += 10 * media_files.DOWNLOAD_SECONDS
    manager.remove_orphaned_files()
    assert manager.execute_deferred(drawn)


def test_streamlit_creates_our_storage_and_our_files(monkeypatch):
    """`st.App` imports the class of the storage when it creates its runtime."""
    import inspect

    from streamlit.web.server.starlette.starlette_app import App

    monkeypatch.setattr(memory_media_file_storage, "MemoryMediaFileStorage", None)
    monkeypatch.setattr(streamlit_runtime, "MediaFileManager", None)
    media_files.replace_streamlits()
    assert memory_media_file_storage.MemoryMediaFileStorage is media_files.SessionMediaStorage
    assert streamlit_runtime.MediaFileManager is media_files.SessionMediaFiles
    source = inspect.getsource(App._create_runtime)
    assert "from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage" in source
    assert "self._media_file_mgr = MediaFileManager(" in inspect.getsource(streamlit_runtime.Runtime.__init__)


def test_other_paths_pass():
    async def page(_request):
        return PlainTextResponse("page")

    layers = [Middleware(SignedInAs, identity=None), Middleware(media_files.OwnMediaFiles)]
    application = Starlette(routes=[Route("/{path:path}", page)], middleware=layers)
    assert TestClient(application).get("/mediations").text == "page"
