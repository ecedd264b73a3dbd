"""Names and colours of languages as GitHub has them (Linguist, MIT licence): `languages.json`.

Linguist renames languages, and GitHub sends a repository's old names until somebody pushes to it. Names are stored as
sent and shown as they are now: `present_name` here, `present_language` in SQL. The key of a language is its name, never
Linguist's number, which was handed to another language once.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

from core.errors import BadInput

FALLBACK_COLOR = "#94a3b8"
OTHER = "Other"
NO_LANGUAGE = "No language"
MAX_SUGGESTIONS = 4


@dataclass(frozen=True)
class Language:
    """A language under its present name; `color` is None for those to which GitHub gives none."""

    name: str
    color: str | None
    type: str
    aliases: tuple[str, ...]
    former_names: tuple[str, ...]


class UnknownLanguage(BadInput):
    """No language is called that; `nearest` has the names that resemble it."""

    def __init__(self, nearest: Sequence[str], stored: Sequence[str]) -> None:
        self.nearest = tuple(nearest)
        hint = ""
        if nearest:
            hint = f"; did you mean {' or '.join(nearest)}?"
        elif stored:
            hint = f"; most repositories are in {', '.join(stored)}"
        super().__init__(f"Unknown language{hint}")


@lru_cache(maxsize=1)
def languages() -> Mapping[str, Language]:
    """Load all languages by present name."""
    entries = json.loads(Path(__file__).with_name("languages.json").read_text(encoding="utf-8"))
    return {
        name: Language(
            name, entry["color"], entry["type"], tuple(entry.get("aliases", ())), tuple(entry.get("former", ()))
        )
        for name, entry in entries.items()
    }


@lru_cache(maxsize=1)
def present_names() -> Mapping[str, str]:
    """Return the renames: present names by former ones."""
    return {former: one.name for one in languages().values() for former in one.former_names}


def present_name(sent: str) -> str:
    """Return the present name of the language that GitHub sent as *sent*; an unknown one keeps its name."""
    return present_names().get(sent, sent)


def color(language: object) -> str:
    """Return the colour of *language*; FALLBACK_COLOR for unknown languages and those without a colour."""
    if not isinstance(language, str):  # a frame's null is None, NaN or pandas.NA
        return FALLBACK_COLOR
    found = languages().get(present_name(language))
    return (found and found.color) or FALLBACK_COLOR


def colors(names: Iterable[object]) -> list[str]:
    return [color(name) for name in names]


def sharing_color(names: Iterable[str]) -> frozenset[str]:
    """Return those of *names* whose colour another one of them has, too."""
    colored = {name: color(name).lower() for name in names}
    shown = Counter(colored.values())
    return frozenset(name for name, shade in colored.items() if shown[shade] > 1)


def find_language(text: str, stored: Sequence[str] = ()) -> str:
    """Return the present name of the language that a person calls *text*.

    It may be a name, a former name or an alias, in any case, with hyphens for spaces, and with spaces for the plus
    signs that a URL did not escape. Names in *stored* that Linguist lacks are found, too. Raises UnknownLanguage.
    """
    known = {_key(name): present_name(name) for name in stored} | _names_by_key()
    found = _names_with_plus_as_space().get(text.casefold()) or known.get(_key(text))
    if found:
        return found
    nearest = get_close_matches(_key(text), known, n=MAX_SUGGESTIONS)
    raise UnknownLanguage(list(dict.fromkeys(known[key] for key in nearest)), list(stored)[:MAX_SUGGESTIONS])


@lru_cache(maxsize=1)
def _names_by_key() -> dict[str, str]:
    everyone = languages().values()
    return {_key(name): one.name for one in everyone for name in (*one.former_names, *one.aliases, one.name)}


@lru_cache(maxsize=1)
def _names_with_plus_as_space() -> dict[str, str]:
    everyone = languages().values()
    names = {name: one.name for one in everyone for name in (*one.former_names, one.name) if "+" in name}
    return {name.replace("+", " ").casefold(): present for name, present in names.items()}


def _key(name: str) -> str:
    return re.sub(r"[\s_-]+", "-", name.strip().casefold())
