"""Pages whose browser went away are dropped by time, without anybody connecting."""

import asyncio

import pytest
from streamlit import runtime
from streamlit.runtime.memory_session_storage import MemorySessionStorage
from streamlit.runtime.session_manager import SessionInfo


class LeftPage:
    """Stands for Streamlit's session of a page."""

    def __init__(self, name: str) -> None:
        self.id = name
        self.ended = False

    def shutdown(self) -> None:
        self.ended = True


def test_pages_left_too_long_ago_are_ended_and_the_others_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    import app

    now = [0.0]
    storage = MemorySessionStorage(ttl_seconds=30)
    monkeypatch.setattr(storage._cache, "_timer", lambda: now[0])
    manager = type("Manager", (), {"_session_storage": storage})()
    monkeypatch.setattr(runtime, "exists", lambda: True)
    monkeypatch.setattr(runtime, "get_instance", type("Runtime", (), {"_session_mgr": manager}))
    old, young = LeftPage("old"), LeftPage("young")
    storage.save(SessionInfo(client=None, session=old))  # type: ignore[arg-type]
    now[0] = 20.0
    storage.save(SessionInfo(client=None, session=young))  # type: ignore[arg-type]
    assert not app.drop_left_pages()
    now[0] = 31.0
    assert app.drop_left_pages()
    assert (old.ended, young.ended) == (True, False)
    assert not app.drop_left_pages()


def test_a_page_that_cannot_be_ended_does_not_end_the_collection_of_garbage(monkeypatch: pytest.MonkeyPatch) -> None:
    import app

    outcomes: list[BaseException] = [RuntimeError("no such page"), asyncio.CancelledError()]

    def fail() -> bool:
        raise outcomes.pop(0)

    monkeypatch.setattr(app, "drop_left_pages", fail)
    monkeypatch.setattr(app, "GC_INTERVAL_SECONDS", 0)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(app.collect_garbage())
    assert outcomes == []


def test_streamlits_runtime_keeps_left_pages_where_we_drop_them() -> None:
    """Members of it that are not its public API."""
    import app

    manager = app.app._create_runtime()._session_mgr if not runtime.exists() else runtime.get_instance()._session_mgr
    assert isinstance(manager._session_storage, MemorySessionStorage)  # type: ignore[attr-defined]
    assert hasattr(manager._session_storage._cache, "expire")  # type: ignore[attr-defined]
