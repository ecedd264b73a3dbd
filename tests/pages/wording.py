"""What a page says."""

from streamlit.testing.v1 import AppTest


def page_text(shown: AppTest) -> str:
    """Everything that the page says in words."""
    kinds = (shown.title, shown.markdown, shown.caption, shown.info, shown.warning, shown.error, shown.success)
    return "\n".join(str(element.value) for kind in kinds for element in kind)
