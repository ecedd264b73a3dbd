"""The parts of the installation, side by side: each says in a word how it is. One that is away breaks no other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

import streamlit as st
import structlog
from redis import RedisError
from sqlalchemy.exc import SQLAlchemyError

from core.errors import AlmanacError

log = structlog.get_logger()
Result = TypeVar("Result")
State = Literal["fine", "trouble", "away", "resting"]
# A word and a sign beside each colour: not everybody sees one.
STATE_BADGES: Mapping[State, tuple[str, str]] = {
    "fine": ("green", ":material/check_circle:"),
    "trouble": ("orange", ":material/warning:"),
    "away": ("red", ":material/cloud_off:"),
    "resting": ("gray", ":material/remove_circle:"),
}


@dataclass(frozen=True)
class StatusCard:
    """How a part is: a state, a word or two for it, and lines that say more."""

    state: State
    word: str
    lines: tuple[str, ...] = ()

    @property
    def is_available(self) -> bool:
        return self.state != "away"


def ok(word: str, *lines: str) -> StatusCard:
    return StatusCard("fine", word, lines)


def warning(word: str, *lines: str) -> StatusCard:
    return StatusCard("trouble", word, lines)


def inactive(word: str, *lines: str) -> StatusCard:
    return StatusCard("resting", word, lines)


def query_or_reason(question: Callable[[], Result]) -> tuple[Result | None, str]:
    """The answer, or None and the sentence why there is none: servers may be away, our own mistakes are raised."""
    try:
        return question(), ""
    except RedisError as error:
        log.warning("part does not answer", part="redis", error=type(error).__name__)
        return None, "Redis does not answer."
    except (SQLAlchemyError, AlmanacError, OSError) as error:
        log.warning("part does not answer", part="postgres", error=type(error).__name__)
        return None, "Postgres does not answer."


def check_status(at: Callable[[], StatusCard]) -> StatusCard:
    """Tell how a part is, whatever it does."""
    found, why = query_or_reason(at)
    return found or StatusCard("away", "away", (why, "It is asked again every few seconds."))


def show_status_cards(parts: Mapping[str, StatusCard], key: str) -> None:
    """Draw the parts as cards: four in a row where there is room, else two."""
    with st.container(key=f"cards-{key}"):
        for name, part in parts.items():
            colour, sign = STATE_BADGES[part.state]
            with st.container(border=True, height="stretch", gap="xxsmall"):
                st.markdown(f"**{name}**")
                st.markdown(f":{colour}-badge[{sign} {part.word}]")
                st.caption("  \n".join(line for line in part.lines if line))
