"""A page that sends again what an earlier run sent is the page that would have been drawn, and nobody else's."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from sqlalchemy import Engine, text
from streamlit import runtime
from streamlit.dataframe import lazy_df_source
from streamlit.elements import arrow
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.dataframe_source_manager import DataframeSourceManager
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.runtime.scriptrunner import ScriptRunner, StopException
from streamlit.testing.v1 import AppTest

from core import shared_cache
from core.auth import sessions
from core.db.data_version import publish_data_version
from core.shared_cache import SharedCache
from pages.components import page_replay
from pages.components.queried_rows import QueriedRows
from tests.e2e.rows import ACCOUNT_LOGINS, MOST_STARRED, insert_rows
from tests.pages.conftest import OpenPage

NEW_IN_EACH_RUN = re.compile(
    r"deferred_file_id: .*|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+"
)  # the time in SQL that asks of now
SESSION_ID = "test session id"  # of every AppTest
OPENED = datetime(2026, 3, 1, tzinfo=UTC)
T = TypeVar("T")


@pytest.fixture(scope="module")
def filled_engine(filled: Callable[..., AbstractContextManager[Engine]]) -> Iterator[Engine]:
    with filled(insert_rows) as engine:
        yield engine


@pytest.fixture
def replayed(filled_engine: Engine, monkeypatch: pytest.MonkeyPatch, visit: OpenPage) -> Iterator[list[str]]:
    """Let pages be replayed, over the rows of the browser tests; returns the paths of those that were."""
    paths: list[str] = []
    replay = page_replay.replay

    def counted(ctx: Any, page: Any, recording: Any) -> None:
        paths.append(page.url_path)
        replay(ctx, page, recording)

    monkeypatch.setattr(shared_cache, "shared_cache", SharedCache())
    monkeypatch.setattr(page_replay, "replay", counted)
    # On a slow machine the runs of one test may take longer than a page may be sent again.
    monkeypatch.setattr(page_replay, "VALID_SECONDS", 3600)
    page_replay.enable()
    yield paths
    page_replay.disable()


def drawn(page: AppTest) -> list[str]:
    """Return what the page has drawn, in order, but for what is new in each run."""
    assert not page.exception
    found: list[str] = []

    def walk(node: Any) -> None:
        found.append(f"{type(node).__name__} {NEW_IN_EACH_RUN.sub('', str(getattr(node, 'proto', '')))}")
        for child in getattr(node, "children", {}).values():
            walk(child)

    walk(page.main)
    return [part for part in found if "almanac_keep_session" not in part]


def as_source(data: object) -> QueriedRows | None:
    return data if isinstance(data, QueriedRows) else None


def taken(some: list[T]) -> list[T]:
    """Return what the list holds, and empty it."""
    found = [*some]
    some.clear()
    return found


@pytest.mark.parametrize("path", ["", "account", "repository", "repositories", "languages"])
def test_a_replayed_page_is_the_page_that_was_drawn(path, open_page, replayed):
    given = {"account": {"login": ACCOUNT_LOGINS[0]}, "repository": {"name": MOST_STARRED}}
    page = open_page(path, **given.get(path, {}))
    page.run()  # what the first run of a session stores is there from now on
    before, times = drawn(page.run()), len(replayed)
    again = page.run()
    assert len(replayed) == times + 1
    assert drawn(again) == before
    page_replay.disable()
    assert drawn(page.run()) == before


def test_another_choice_another_time_and_another_version_are_drawn(open_page, replayed, database):
    page = open_page("movers").run().run().run()
    assert set(taken(replayed)) == {"movers"}
    page.text_input(key="account").set_value(ACCOUNT_LOGINS[0]).run()
    assert not replayed
    page.run().run()
    assert set(taken(replayed)) == {"movers"}
    now = drawn(page)
    page.query_params["as_of"] = "2024-12-05"
    assert drawn(page.run()) != now
    assert not replayed
    del page.query_params["as_of"]
    page.run()
    replayed.clear()
    database.execute(text("UPDATE repository_summary SET stars_30d = stars_30d + 1"))
    publish_data_version(database)
    assert drawn(page.run()) != now
    assert not replayed


def test_a_data_version_draws_only_pages_whose_rows_it_changed(open_page, replayed, database):
    """A refresh of another account leaves an account's page as it is; one of its own does not, nor one mid-history."""
    changed = """
        UPDATE repository_summary SET stars = stars + 1
         WHERE account_id = (SELECT id FROM account WHERE login = :login)"""
    page = open_page("account", login=ACCOUNT_LOGINS[0]).run().run()
    before = drawn(page)
    replayed.clear()
    database.execute(text(changed), {"login": ACCOUNT_LOGINS[1]})
    publish_data_version(database)
    assert drawn(page.run()) == before
    assert drawn(page.run()) == before
    assert taken(replayed) == ["account", "account"]
    database.execute(text(changed), {"login": ACCOUNT_LOGINS[0]})
    assert drawn(page.run()) == before  # not published yet
    assert taken(replayed) == ["account"]
    publish_data_version(database)
    after = drawn(page.run())
    assert after != before
    assert not replayed
    page_replay.disable()
    assert drawn(page.run()) == after


def test_what_is_no_part_of_a_data_version_is_fresh(open_page, replayed, database):
    page = open_page().run().run()
    assert replayed == [""]
    database.execute(text("UPDATE tracked_account SET paused = true"))
    before, after = drawn(page), drawn(page.run())
    assert replayed == [""]
    assert before != after


def test_another_reader_gets_the_same_page_and_files_of_their_own(person, browser, visit, replayed):
    browser.sign_in(person("ada"))
    first = visit("movers")
    browser.sign_in(person("bob", role="admin"))
    second = visit("movers")
    assert replayed == ["movers"]
    assert drawn(second) == drawn(first)
    permits = [page.session_state["permit-tool-csv-movers"] for page in (first, second)]
    assert permits[0] is not permits[1]
    # A click resolves the permit of its own session.
    for page, permit in zip((first, second), permits, strict=True):
        (widget,) = [found for found in page.get("download_button") if found.key == "tool-csv-movers"]
        state = page._session_state._state
        assert state._new_widget_state.widget_metadata[widget.proto.id].callback_args == (permit,)


def test_a_long_table_of_a_replayed_page_has_its_further_rows(open_page, replayed, monkeypatch):
    """A run drops where the tables of the run before read theirs."""
    manager = DataframeSourceManager()
    monkeypatch.setattr(arrow, "_get_dataframe_source_mgr", lambda: manager)
    # AppTest would send all rows at once.
    monkeypatch.setattr(lazy_df_source, "resolve_lazy_source", lambda data, *_, **__: as_source(data))
    page = open_page("repositories").run().run()
    replayed.clear()
    manager.clear_session_refs(SESSION_ID)
    page.run()
    assert replayed == ["repositories"]
    manager.remove_orphaned_sources()
    tables = [table.proto.lazy_data for table in page.dataframe if table.proto.HasField("lazy_data")]
    assert [table.row_count for table in tables] == [37]  # 8 + 7 + 6 + 5 + 4 + 3 + 2 + 1 of the accounts, 1 imported
    rows = [manager.load_chunk(SESSION_ID, table.source_id, 2, 3, None) for table in tables]
    assert [len(arrow.dataframe_util.convert_arrow_bytes_to_pandas_df(found)) for found, _ in rows] == [3]


def test_the_time_of_a_persons_last_visit_is_theirs(person, browser, visit, replayed, database):
    ada, bob = person("ada"), person("bob")
    database.execute(text("UPDATE person SET visit_ended_at = :at WHERE id = :id"), {"at": OPENED, "id": ada.id})
    browser.sign_in(ada)
    visit()
    browser.sign_in(bob)
    visit()
    assert not replayed


def test_a_session_that_ended_sees_nothing_of_a_replayed_page(open_page, replayed, reader):
    page = open_page("movers").run().run().run()
    assert set(taken(replayed)) == {"movers"}
    sessions.revoke_all(reader.id, "deactivated")
    page.run()
    assert not replayed
    assert [field.label for field in page.text_input][:1] == ["Username"]


@pytest.mark.parametrize("path", ["profile", "alerts", "tracking"])
def test_pages_that_read_who_is_signed_in_are_always_drawn(path, person, browser, visit, replayed):
    browser.sign_in(person("boss", role="admin"))
    visit(path).run()
    assert not replayed


def test_a_page_is_drawn_again_once_its_times_are_old(open_page, replayed, monkeypatch):
    monkeypatch.setattr(page_replay, "VALID_SECONDS", 0)
    open_page("movers").run().run().run()
    assert not replayed


class OpenSession(AppSession):
    """A session whose turns of the event loop wait until they are taken."""

    def __init__(self, runner: Any) -> None:
        self._scriptrunner = runner
        self._browser_queue = ForwardMsgQueue()
        self._message_enqueued_callback = None
        self.turns: list[Callable[[], None]] = []

    def __del__(self) -> None:
        """Do nothing: there is nothing to shut down."""

    def _call_soon_on_event_loop(self, callback: Callable[[], None]) -> None:
        self.turns.append(callback)

    def sent(self) -> list[str]:
        for turn in taken(self.turns):
            turn()
        return [message.delta.new_element.text.body for message in self._browser_queue.flush()]


class Runner:
    """A script runner, which every message is given to by itself, unless they come together."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.stops = False

    def enqueue(self, message: ForwardMsg) -> None:
        self.sent.append(message.delta.new_element.text.body)

    def _maybe_handle_execution_control_request(self) -> None:
        if self.stops:
            raise StopException


@pytest.fixture
def runner() -> Runner:
    return Runner()


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch, runner: Runner) -> OpenSession:
    session = OpenSession(runner)
    manager = SimpleNamespace(get_session_info=lambda _id: SimpleNamespace(session=session))
    monkeypatch.setattr(runtime, "exists", lambda: True)
    monkeypatch.setattr(runtime, "get_instance", lambda: SimpleNamespace(_session_mgr=manager))
    return session


def send_together(runner: Runner, *texts: str) -> None:
    """Send messages from a context as a script runner makes it."""
    ctx = SimpleNamespace(session_id=SESSION_ID, _enqueue=runner.enqueue)

    def enqueue(message: ForwardMsg) -> None:
        ctx._enqueue(message)

    ctx.enqueue = enqueue
    messages = []
    for place, body in enumerate(texts):
        message = ForwardMsg()
        message.metadata.delta_path[:] = [0, place]
        message.delta.new_element.text.body = body
        messages.append(message)
    try:
        page_replay.send_together(ctx, messages)
    finally:
        assert ctx._enqueue == runner.enqueue


def test_messages_of_a_replayed_page_take_one_turn_of_the_event_loop(session, runner):
    send_together(runner, "a", "b", "c")
    assert (len(session.turns), runner.sent) == (1, [])
    assert session.sent() == ["a", "b", "c"]


def test_a_replayed_page_of_a_run_that_another_one_has_followed_is_not_sent(session, runner):
    send_together(runner, "old")
    session._scriptrunner = Runner()
    assert session.sent() == []


def test_a_replayed_page_that_is_to_stop_is_not_sent(session, runner):
    runner.stops = True
    with pytest.raises(StopException):
        send_together(runner, "a")
    assert session.sent() == []


def test_without_a_session_of_the_web_process_messages_are_sent_one_by_one(session, runner, monkeypatch):
    monkeypatch.setattr(runtime, "exists", lambda: False)
    send_together(runner, "a", "b")
    assert (session.turns, runner.sent) == ([], ["a", "b"])


def test_a_session_has_what_a_replayed_page_needs_of_it():
    assert callable(AppSession._call_soon_on_event_loop)
    assert callable(ScriptRunner._maybe_handle_execution_control_request)
    assert {"_scriptrunner", "_browser_queue"} <= set(AppSession.__init__.__code__.co_names)
