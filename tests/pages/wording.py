"""The text of a page under test."""

from streamlit.testing.v1 import AppTest


def page_text(shown: AppTest) -> str:
    """Return all texts of the page, one element per line."""
    kinds = (shown.title, shown.markdown, shown.caption, shown.info, shown.warning, shown.error, shown.success)
    return "\n".join(str(element.value) for kind in kinds for element in kind)
