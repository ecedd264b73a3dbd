"""GitHub's language colours and types (Linguist, MIT licence). No other chart element uses these colours."""

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
    """Load Linguist's languages, former names included: name -> color, type."""
    entries: dict[str, dict[str, str | None]] = json.loads(
        (Path(__file__).parent / "languages.json").read_text(encoding="utf-8")
    )
    return {name: entries[entry.get("alias_of") or name] for name, entry in entries.items()}


def color(language: object) -> str:
    """Return the colour of *language*; FALLBACK_COLOR for unknown languages and those without a colour."""
    entry = {} if pd.isna(language) else languages().get(str(language), {})  # type: ignore[call-overload]
    return entry.get("color") or FALLBACK_COLOR


def colors(names: Iterable[object]) -> list[str]:
    return [color(name) for name in names]
