"""Pages run as a reader opens them: from the main script, over real rows."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection
from streamlit.testing.v1 import AppTest

MAIN = str(Path(__file__).resolve().parents[2] / "pages" / "main.py")
PATIENCE_SECONDS = 60
Open = Callable[..., AppTest]


@pytest.fixture
def open_page(database: Connection, monkeypatch: pytest.MonkeyPatch) -> Open:
    """`open_page("account", login="octo")`: the page after its first run, with the URL's parameters."""
    from streamlit import config

    monkeypatch.setattr(config, "_main_script_path", MAIN)

    def opened(page: str = "", **parameters: str) -> AppTest:
        shown = AppTest.from_file(MAIN, default_timeout=PATIENCE_SECONDS)
        for name, value in parameters.items():
            shown.query_params[name] = value
        shown.run()
        if page:
            shown.switch_page(f"{page}.py")
            for name, value in parameters.items():
                shown.query_params[name] = value
            shown.run()
        return shown

    return opened
