"""A connection whose messages of the server reach the browser late."""

import re

from playwright.sync_api import Page, WebSocketRoute
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg


class SlowConnection:
    """Passes on what the server sends to a page, or holds it back while the page `is_behind`.

    It stays with its page: take another tab than the one that tests share.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.is_behind = False
        self._held: list[tuple[WebSocketRoute, str | bytes]] = []
        page.route_web_socket(re.compile(""), self._connect)

    def _connect(self, browser: WebSocketRoute) -> None:
        def to_browser(message: str | bytes) -> None:
            if self.is_behind:
                self._held.append((browser, message))
            else:
                browser.send(message)

        browser.connect_to_server().on_message(to_browser)

    def wait_until_finished(self, runs: int) -> None:
        """Wait until that many whole runs of the script have ended whose messages are held back."""
        while self._finished_runs() < runs:
            self.page.wait_for_timeout(50)

    def _finished_runs(self) -> int:
        sent = [ForwardMsg.FromString(message) for _, message in self._held if isinstance(message, bytes)]
        return sum(
            message.WhichOneof("type") == "script_finished"
            and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY
            for message in sent
        )

    def catch_up(self) -> None:
        self.is_behind = False
        for browser, message in self._held:
            browser.send(message)
        self._held.clear()
