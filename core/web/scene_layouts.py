"""Layouts of the scene's city, kept by their content.

The page draws labels of the layout that it has computed, and names that in the URLs of its rows: the browser gets just
these, also when another data version was published meanwhile.
"""

from typing import TYPE_CHECKING

from core.charts.scene.city import City, HeightMeasure, build_city, city_bytes
from core.queries.scene import CityFilters
from core.shared_cache import ENTRY_BYTES, Key, fingerprint, shared_cache

if TYPE_CHECKING:
    from pandas import DataFrame

LAYOUT_VERSION = 4
"""Increase it when the same rows get another layout or other columns, so that browsers do not use their cached copy."""


def lay_out(repositories: "DataFrame", filters: CityFilters, height: HeightMeasure) -> tuple[str, City]:
    """Return the layout of *repositories*, which match *filters*, and its version: equal rows have the same."""
    version = fingerprint((LAYOUT_VERSION, repositories)).hex()
    layout = shared_cache.get(
        _key(version, filters, height),
        lambda: build_city(repositories, height),
        lambda built: city_bytes(built) + ENTRY_BYTES,
    )
    return version, layout


def find(version: str, filters: CityFilters, height: HeightMeasure) -> City | None:
    """Return a layout that this process has computed lately."""
    found: City | None = shared_cache.find(_key(version, filters, height))
    return found


def _key(version: str, filters: CityFilters, height: HeightMeasure) -> Key:
    return ("city", version, filters, height)
