"""A page run by itself, without the main script: faster, and with the query parameters of its URL alone."""

from pathlib import Path

from streamlit.testing.v1 import AppTest

PAGES = Path(__file__).resolve().parents[2] / "pages"


def page_file(name: str, **parameters: str) -> AppTest:
    """Return the page before its first run; *name* is its file's, without `.py`."""
    page = AppTest.from_file(str(PAGES / f"{name}.py"), default_timeout=60)
    for key, value in parameters.items():
        page.query_params[key] = value
    return page


def run_page_file(name: str, **parameters: str) -> AppTest:
    """Return the page after its first run."""
    return page_file(name, **parameters).run()
