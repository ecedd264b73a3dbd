"""Websockets of a real web process: whose page they show, what they may send, and how long they may say nothing."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import httpx
import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin as SocketOrigin
from websockets.typing import Subprotocol

from core import redis_client
from core.auth import people, sessions, sign_in
from core.auth.identity import Identity, Origin
from core.auth.people import Person
from core.db.engine import transaction
from core.db.override import use_engine
from core.launcher.embedded import Servers
from core.settings import settings
from core.web.bounded_protocols import MAX_FIRST_MESSAGE_BYTES
from core.web.middleware.websocket_bounds import SIGNED_IN, SIGNED_OUT
from tests.test_app import CloneDatabase, free_port, running_app

pytestmark = pytest.mark.slow
SECRET_KEY = "a key that is long enough for a test, and no secret"
PASSWORD = "A passphrase with 1 digit"
LATER = "raised after the end"
RECEIVE_SECONDS = 60


@pytest.fixture(scope="module")
def engine(clones: CloneDatabase) -> Iterator[Engine]:
    with clones() as url:
        yield create_engine(url, poolclass=NullPool)


@pytest.fixture(scope="module")
def web(servers: Servers, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    port = free_port()
    given = {
        "DATABASE_URL": engine.url.render_as_string(hide_password=False),
        "REDIS_URL": servers.redis_url,
        "PORT": str(port),
        "DATA_DIR": str(tmp_path_factory.mktemp("web")),
        "SECRET_KEY": SECRET_KEY,
    }
    with running_app(f"http://127.0.0.1:{port}", **given) as client:
        yield client


@pytest.fixture
def core_configured(engine: Engine, servers: Servers, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process has the same servers and key as the web process, so that it can act for its people."""
    monkeypatch.setenv("REDIS_URL", servers.redis_url)
    monkeypatch.setenv("SECRET_KEY", SECRET_KEY)
    settings.cache_clear()
    redis_client.redis.cache_clear()
    with use_engine(engine):
        yield
    redis_client.redis.cache_clear()


class Page:
    """A page as a browser's websocket sees it; cookies of *tokens*, if any."""

    def __init__(
        self,
        web: httpx.Client,
        until: ExitStack,
        tokens: sessions.SessionTokens | None = None,
        *,
        reattach_to: str = "",
    ) -> None:
        address = str(web.base_url).rstrip("/")
        cookies = f"almanac_access={tokens.access}; almanac_refresh={tokens.refresh}" if tokens else ""
        connecting = connect(
            f"{address.replace('http', 'ws', 1)}/_stcore/stream",
            origin=SocketOrigin(address),
            subprotocols=[Subprotocol(name) for name in ("streamlit", "none", reattach_to) if name],
            additional_headers={"cookie": cookies} if cookies else {},
            max_size=None,
        )
        self.socket = until.enter_context(connecting)
        self.id = ""
        self.fragments: set[str] = set()

    def run(self, page: str = "", **state: object) -> str:
        """Ask for a run of the script, or of `fragment_id`; return all it draws, as one text."""
        self.ask(page, **state)
        return self.drawn()

    def ask(self, page: str = "", **state: object) -> None:
        asked = BackMsg()
        asked.rerun_script.page_name = page
        for name, value in state.items():
            setattr(asked.rerun_script, name, value)
        self.socket.send(asked.SerializeToString())

    def drawn(self) -> str:
        """Return what the run draws until it has finished, reruns that it asks for included."""
        output: list[str] = []
        while True:
            message = ForwardMsg.FromString(self.socket.recv(RECEIVE_SECONDS))
            if message.WhichOneof("type") == "new_session":
                self.id = message.new_session.initialize.session_id or self.id
            elif message.WhichOneof("type") == "delta":
                self.fragments.add(message.delta.fragment_id)
                output.append(str(message.delta))
            elif message.WhichOneof("type") == "script_finished" and message.script_finished != RERUN_FOLLOWS:
                return "\n".join(output)

    def closed_with(self) -> int:
        """Read until the server closes the connection, and return its code."""
        with suppress(ConnectionClosed):
            while True:
                self.socket.recv(RECEIVE_SECONDS)
        assert self.socket.close_code is not None
        return self.socket.close_code


SECONDS_LEFT = re.compile(r"\d+\.\d+")  # of the session's cookies
RERUN_FOLLOWS = ForwardMsg.FINISHED_EARLY_FOR_RERUN


@pytest.fixture
def ada(core_configured: None, request: pytest.FixtureRequest) -> Person:
    return people.create(f"ada{abs(hash(request.node.name)) % 10**9}", actor="tests", password=PASSWORD, role="admin")


@pytest.fixture
def opened(web: httpx.Client) -> Iterator[Callable[..., Page]]:
    """Open pages that are closed at the end of the test."""
    with ExitStack() as until:
        yield lambda *args, **options: Page(web, until, *args, **options)


def signed_in(person: Person) -> sessions.SessionTokens:
    return sessions.start(person.id, Origin("127.0.0.1", "tests"))


def test_the_id_of_an_open_page_attaches_nobody_but_its_owner(opened, ada):
    tokens = signed_in(ada)
    page = opened(tokens)
    assert ada.username in page.run("profile")
    stranger = opened(reattach_to=page.id)
    assert ada.username not in stranger.run("profile")
    other = opened(signed_in(people.create(f"not{ada.username}", actor="tests")), reattach_to=page.id)
    assert "Only admins" not in other.run("profile")
    again = opened(signed_in(ada), reattach_to=page.id)
    again.run("profile")
    assert len({page.id, stranger.id, other.id, again.id}) == 4
    # The owner's own browser, whose connection broke, goes on with its page.
    page.socket.close()
    back = opened(tokens, reattach_to=page.id)
    assert ada.username in back.run("profile")
    assert back.id == page.id


def test_a_page_that_is_sent_again_comes_as_it_was_drawn(opened, ada):
    page = opened(signed_in(ada))
    page.run("languages")  # the sidebar says when its reader was there before: from the second run on
    drawn = SECONDS_LEFT.sub("", page.run("languages"))
    assert SECONDS_LEFT.sub("", page.run("languages")) == drawn


def test_a_page_without_a_session_is_always_a_new_one(opened):
    first = opened()
    first.run()
    first.socket.close()
    second = opened(reattach_to=first.id)
    second.run()
    assert first.id != second.id


def deactivate(person: Person) -> None:
    people.set_active("tests", person.id, False, Origin())


def sign_out_elsewhere(person: Person) -> None:
    sessions.revoke_all(person.id, "signed_out_elsewhere")


def change_password(person: Person) -> None:
    sign_in.change_password(
        Identity(person.id, person.username, person.role), PASSWORD, "Another passphrase 2", Origin()
    )


def change_role(person: Person) -> None:
    people.change_role("tests", person.id, "analyst", Origin())


def expire_access(person: Person) -> None:
    with transaction() as connection:
        update = text("UPDATE session SET access_expires_at = now() WHERE person_id = :id")
        connection.execute(update, {"id": person.id})
        ids = sessions.active_session_ids(connection, person.id)
    sessions.invalidate_cached(ids)


def raise_alert(message: str) -> None:
    with transaction() as connection:
        connection.execute(
            text("""
                INSERT INTO alert (rule_id, kind, subject, message, raised_at)
                SELECT id, kind, :message, :message, now() FROM alert_rule ORDER BY id LIMIT 1
            """),
            {"message": message},
        )


ENDS = [deactivate, sign_out_elsewhere, change_password, change_role, expire_access]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
@pytest.mark.parametrize("page", ["alerts", "ingestion", "system", "people", "profile"])
def test_after_the_end_no_fragment_reads_on_and_the_page_is_the_sign_in(opened, ada, end, page):
    """A page that goes on asking for its fragments, as a browser's timers do and a script could for ever."""
    people.create(f"boss{ada.username}", actor="tests", role="admin")
    shown = opened(signed_in(ada))
    assert "Sign out" in shown.run(page)
    fragments = shown.fragments - {""}
    assert fragments
    end(ada)
    raise_alert(f"{LATER} {ada.username}")
    for fragment in fragments:
        shown.ask(page, fragment_id=fragment, is_auto_rerun=True)
        # The page forgets its fragments when it becomes the sign-in, and Streamlit does not answer for one it forgot.
        output = shown.run(page)
        assert "your session is being renewed" in output if end is expire_access else "Sign in" in output
        assert LATER not in output
        assert ada.username not in output


def test_before_a_sign_in_a_message_is_some_kilobytes_at_most(opened):
    page = opened()
    assert "Sign in" in page.run()
    page.socket.send(b"\x00" * (MAX_FIRST_MESSAGE_BYTES + 1))
    assert page.closed_with() == 1009


def test_a_message_in_parts_is_as_long_as_all_of_them(opened):
    page = opened()
    with suppress(ConnectionClosed):
        page.socket.send(b"\x00" * 1_000 for _ in range(MAX_FIRST_MESSAGE_BYTES // 1_000 + 1))
    assert page.closed_with() == 1009


def test_after_the_sign_in_a_long_list_can_be_pasted(opened, ada):
    page = opened(signed_in(ada))
    asked = BackMsg()
    widget = asked.rerun_script.widget_states.widgets.add()
    widget.id, widget.string_value = "$$ID-pasted", "ö" * 1_000_000
    page.socket.send(asked.SerializeToString())
    assert "Sign out" in page.drawn()
    # The head of a longer message is refused, whatever follows. Alone, because a server that closes while more is on
    # its way resets the connection, with which the close code may be lost.
    page.socket.socket.sendall(bytes((0x82, 0xFF)) + (SIGNED_IN.message_bytes + 1).to_bytes(8) + bytes(4))
    assert page.closed_with() == 1009


@pytest.mark.parametrize(("is_signed_in", "bounds"), [(False, SIGNED_OUT), (True, SIGNED_IN)])
def test_a_message_has_so_many_values_at_most(opened, ada, is_signed_in, bounds):
    page = opened(signed_in(ada)) if is_signed_in else opened()
    asked = BackMsg()
    for number in range(bounds.widgets + 1):
        asked.rerun_script.widget_states.widgets.add().id = f"$$ID-{number}"
    page.socket.send(asked.SerializeToString())
    assert page.closed_with() == 1008


def clearing_caches() -> BackMsg:
    asked = BackMsg()
    asked.clear_cache = True
    return asked


def setting_a_name_of_the_state() -> BackMsg:
    asked = BackMsg()
    asked.rerun_script.widget_states.widgets.add().id = "session-id"
    return asked


@pytest.mark.parametrize(
    "sent",
    [
        *("text", b"\xff\xff\xff", b""),
        *(message.SerializeToString() for message in (clearing_caches(), setting_a_name_of_the_state())),
    ],
    ids=["text", "bytes", "none", "caches", "state"],
)
def test_what_no_page_sends_closes_the_connection(opened, ada, sent):
    page = opened(signed_in(ada))
    page.socket.send(sent)
    assert page.closed_with() == 1008


def test_a_flood_of_messages_within_their_size_is_ended(opened, ada, web):
    """Their sum is what fills a page's memory: about a burst, whatever their names."""
    page = opened(signed_in(ada))
    with suppress(ConnectionClosed):
        for number in range(50):
            asked = BackMsg()
            widget = asked.rerun_script.widget_states.widgets.add()
            widget.id, widget.string_value = f"$$ID-{number}", "x" * 4_000_000
            page.socket.send(asked.SerializeToString())
    # Closed while more is on its way, so the browser may see a reset before the reason.
    assert page.closed_with() in {1006, 1008}
    assert 'reason="too_fast"' in web.get("/metrics").text


def test_before_a_sign_in_nothing_can_be_uploaded_or_fetched(opened):
    asked = BackMsg()
    asked.file_urls_request.file_names.append("x.csv")
    page = opened()
    page.socket.send(asked.SerializeToString())
    assert page.closed_with() == 1008


def test_one_address_has_so_many_pages_without_a_session_at_most(opened, ada, web):
    tokens = signed_in(ada)
    with pytest.raises(InvalidStatus) as refused:
        for _ in range(SIGNED_OUT.sockets + 1):
            opened()
    assert refused.value.response.status_code == 403
    # Readers with a session are not affected.
    assert "Sign out" in opened(tokens).run()
    assert "too_many_sockets" in web.get("/metrics").text
