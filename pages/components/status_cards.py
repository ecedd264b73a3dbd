"""Status cards of the installation's components, side by side; a component that is unavailable breaks no other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

import streamlit as st
import structlog
from redis import RedisError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core.db.errors import is_server_unavailable, reported_reason, unavailable_node, unavailable_reason
from pages.components.markdown import escape_markdown

log = structlog.get_logger()
Result = TypeVar("Result")
State = Literal["ok", "warning", "unavailable", "inactive"]
# Each colour has an icon beside it, for readers who cannot tell the colours apart.
STATE_BADGES: Mapping[State, tuple[str, str]] = {
    "ok": ("green", ":material/check_circle:"),
    "warning": ("orange", ":material/warning:"),
    "unavailable": ("red", ":material/cloud_off:"),
    "inactive": ("gray", ":material/remove_circle:"),
}


@dataclass(frozen=True)
class StatusCard:
    """The status of a component: its state, one or two words for it, and lines of Markdown with details."""

    state: State
    word: str
    lines: tuple[str, ...] = ()

    @property
    def is_available(self) -> bool:
        return self.state != "unavailable"


def ok(word: str, *lines: str) -> StatusCard:
    return StatusCard("ok", word, lines)


def warning(word: str, *lines: str) -> StatusCard:
    return StatusCard("warning", word, lines)


def inactive(word: str, *lines: str) -> StatusCard:
    return StatusCard("inactive", word, lines)


def query_or_reason(query: Callable[[], Result]) -> tuple[Result | None, str]:
    """Return the result of *query* and "", or None and a sentence in Markdown if Postgres or Redis is unavailable.

    Other errors are raised.
    """
    try:
        return query(), ""
    except RedisError as error:
        log.warning("server unavailable", server="redis", error=type(error).__name__)
        return None, "Redis does not respond."
    except Exception as error:
        if not isinstance(error, PoolTimeout | OSError) and not is_server_unavailable(error):
            raise
        log.warning("server unavailable", server="postgres", reason=unavailable_reason(error))
        if node := unavailable_node(error):
            return None, f"The node {escape_markdown(node)} of Postgres does not respond."
        reported = reported_reason(error)
        return None, f"Postgres reports: {escape_markdown(reported)}." if reported else "Postgres does not respond."


def check_status(check: Callable[[], StatusCard]) -> StatusCard:
    """Return the card that *check* makes, or one that says that its server is unavailable."""
    card, reason = query_or_reason(check)
    return card or StatusCard("unavailable", "unavailable", (reason, "Checked again every few seconds."))


def show_status_cards(parts: Mapping[str, StatusCard], key: str) -> None:
    """Draw the cards by component name: four in a row where there is room, else two."""
    with st.container(key=f"cards-{key}"):
        for name, card in parts.items():
            colour, icon = STATE_BADGES[card.state]
            with st.container(border=True, height="stretch", gap="xxsmall"):
                st.markdown(f"**{name}**")
                st.markdown(f":{colour}-badge[{icon} {card.word}]")
                st.caption("  \n".join(line for line in card.lines if line))
