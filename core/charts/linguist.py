"""GitHub's own colours and kinds of languages (Linguist, MIT licence), and nothing else in these colours."""

import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import pandas as pd

FALLBACK_COLOR = "#94a3b8"
OTHER = "Other"
NO_LANGUAGE = "No language"


@lru_cache(maxsize=1)
def languages() -> dict[str, dict[str, str | None]]:
    """Every language that Linguist knows, with older spellings resolved: name -> color, type."""
    known: dict[str, dict[str, str | None]] = json.loads(
        (Path(__file__).parent / "languages.json").read_text(encoding="utf-8")
    )
    return {name: known[entry.get("alias_of") or name] for name, entry in known.items()}


def color(language: object) -> str:
    """The colour of one language; grey for what Linguist does not know or does not colour."""
    entry = {} if pd.isna(language) else languages().get(str(language), {})  # type: ignore[call-overload]
    return entry.get("color") or FALLBACK_COLOR


def colors(names: Iterable[object]) -> list[str]:
    return [color(name) for name in names]


def language_type(language: object) -> str | None:
    """programming, markup, data or prose; None where Linguist does not know."""
    return None if pd.isna(language) else languages().get(str(language), {}).get("type")  # type: ignore[call-overload]
