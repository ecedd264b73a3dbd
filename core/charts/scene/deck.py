"""The city as a deck.gl deck. Its rows are loaded from our own URLs, never inlined."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pydeck
from pandas import DataFrame

from core.analysis.difference import compared_names
from core.charts.scene.camera import FIELD_OF_VIEW, Camera, Canvas, fit_camera, non_overlapping_labels
from core.charts.scene.city import GROUND, City
from core.charts.scene.legend import LegendEntry
from core.charts.scene.plain_records import plain_records
from core.charts.theme import Theme
from core.linguist import NO_LANGUAGE, color
from core.wording import quantity, signed

SELECTION_MARGIN = {"x": -1.0, "y": -1.0, "width": 2.0, "depth": 2.0, "height": 1.0}
LABEL_PIXELS = 12
MAX_NAMES_OF_A_COLOR = 4
LABEL_CHARACTER_WIDTH = 0.62  # mean width of a letter, relative to its size
LABEL_PADDING = (7, 4)
LABEL_LIFT = 14.0
LABEL_HEIGHT = LABEL_PIXELS + 2 * LABEL_PADDING[1] + 3
GROUND_CORNERS = [(x, y, 0.0) for x in (0.0, GROUND.width) for y in (0.0, GROUND.depth)]
# deck.gl's CSV loader would guess: an owner called 0001101 or true would be a number or a boolean, and tabs inside
# quotes would be the delimiter.
NUMBER_COLUMNS = (
    "stars",
    "growth",
    *compared_names("stars"),
    "repositories",
    "x",
    "y",
    "width",
    "depth",
    "height",
    "r",
    "g",
    "b",
)
COMPARED_COLUMNS = tuple(compared_names("stars"))
LOAD_OPTIONS = {"csv": {"header": True, "delimiter": ",", "dynamicTyping": dict.fromkeys(NUMBER_COLUMNS, True)}}
POLYGON_EXPRESSION = "[[x, y], [x + width, y], [x + width, y + depth], [x, y + depth]]"


def tower_rows(city: City) -> DataFrame:
    """Return the towers' rows for the browser: lots to a tenth of a unit, colours, texts of the tooltip."""
    rows = city.towers
    languages = rows["language"].fillna(NO_LANGUAGE)
    rgb = np.array([hex_to_rgb(color(language)) for language in languages] or np.empty((0, 3)), dtype=int)
    return DataFrame(
        {
            "name": rows["full_name"],
            "language": languages,
            "stars": rows["stars"],
            "growth": rows["stars_30d"],
            "stars_text": [quantity(stars, "star") for stars in rows["stars"]],
            **_compared_columns(rows),
            "growth_text": growth_labels(rows),
            "captured_on": pd.to_datetime(rows["checked_at"], utc=True).dt.strftime("%Y-%m-%d"),
            **{column: rows[column].round(1) for column in ("x", "y", "width", "depth", "height")},
            "r": rgb[:, 0],
            "g": rgb[:, 1],
            "b": rgb[:, 2],
        }
    )


def district_rows(city: City) -> DataFrame:
    """Return the rows of the districts' floors for the browser."""
    return city.districts[["owner", "repositories", "stars", "x", "y", "width", "depth"]].round(1)


def hex_to_rgb(color: str) -> tuple[int, int, int]:
    """Parse a colour: #3572A5 -> (53, 114, 165)."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def growth_labels(rows: DataFrame) -> list[str]:
    """Return for each tower the growth in 30 days, or against the time that is compared with, as text."""
    if COMPARED_COLUMNS[0] in rows:
        return [compared_label(*row) for row in rows[list(COMPARED_COLUMNS)].astype(object).to_numpy()]
    return [growth_label(growth) for growth in rows["stars_30d"]]


def growth_label(growth: Any) -> str:
    if pd.isna(growth):
        return "growth in 30 days is not known"
    return f"{signed(growth)} in the 30 days before"


def compared_label(before: Any, change: Any, percent: Any) -> str:
    """Return the difference to the value *before* in words: `+30 (+25.0 %) against 120 then`."""
    if pd.isna(change):
        return "stars then are not known"
    share = "" if pd.isna(percent) or not change else f" ({signed(percent, 1)}\N{NO-BREAK SPACE}%)"
    return f"{signed(change)}{share} against {before:,} then"


def _compared_columns(rows: DataFrame) -> "dict[str, pd.Series[Any]]":
    """Return the columns that compare the stars with another time, where the rows have them."""
    return {name: rows[name] for name in COMPARED_COLUMNS if name in rows}


def camera_for(city: City, canvas: Canvas) -> Camera:
    """Return the camera that shows the whole city with its labels; of an empty one, its ground."""
    points = _corner_points(city) if len(city.towers) else np.array(GROUND_CORNERS)
    return fit_camera(points, canvas, headroom=LABEL_HEIGHT + 6)


def _corner_points(city: City) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the corners of all floors and of all roofs."""
    parts = []
    for rows, height in ((city.districts, None), (city.towers, "height")):
        left, low = rows["x"], rows["y"]
        right, high = left + rows["width"], low + rows["depth"]
        z = rows[height] if height else pd.Series(0.0, index=rows.index)
        parts += [np.column_stack((x, y, z)) for x in (left, right) for y in (low, high)]
    return np.concatenate(parts).astype(float)


def labels(city: City, camera: Camera, canvas: Canvas, selected: str | None = None) -> DataFrame:
    """Choose the districts to label: those with most stars first, as many as do not overlap.

    text           the owner; the selected repository comes first, with `is_selected` true
    x, y, z        the label's foot, above the roof of the district's tallest tower
    top            that roof
    """
    rows = city.districts.sort_values(["stars", "owner"], ascending=[False, True])
    owners = DataFrame({"text": rows["owner"], "x": rows["peak_x"], "y": rows["peak_y"], "top": rows["top"]})
    feet = pd.concat([_selected_roof(city, selected), owners.assign(is_selected=False)], ignore_index=True)
    feet["z"] = feet["top"] + LABEL_LIFT
    anchors = camera.project(feet[["x", "y", "z"]].to_numpy(dtype=float), canvas)
    widths = [label_width(text) for text in feet["text"]]
    return feet.iloc[non_overlapping_labels(anchors, widths, LABEL_HEIGHT, canvas)].round(1).reset_index(drop=True)


def _selected_roof(city: City, selected: str | None) -> DataFrame:
    """Return the roof of the selected tower: one row, or none."""
    rows = city.towers[city.towers["full_name"] == selected]
    x, y = rows["x"] + rows["width"] / 2, rows["y"] + rows["depth"] / 2
    return DataFrame({"text": rows["full_name"], "x": x, "y": y, "top": rows["height"]}).assign(is_selected=True)


def label_width(text: str) -> float:
    return len(text) * LABEL_PIXELS * LABEL_CHARACTER_WIDTH + 2 * LABEL_PADDING[0]


def language_legend(city: City, limit: int) -> list[LegendEntry]:
    """Count the towers by colour for a legend: the *limit* most frequent first, then one entry for the rest.

    A colour is not one language: each entry names all languages of the city that have it, most frequent first.
    """
    counts = city.towers["language"].fillna(NO_LANGUAGE).value_counts()
    by_color: dict[str, list[str]] = {}
    for name in counts.index:
        by_color.setdefault(color(name).lower(), []).append(str(name))
    entries = [LegendEntry(_names(names), shade, int(counts[names].sum())) for shade, names in by_color.items()]
    entries.sort(key=lambda entry: -entry.count)
    rest = entries[limit:]
    if not rest:
        return entries
    more = LegendEntry(quantity(len(rest), "more colour"), None, sum(entry.count for entry in rest))
    return [*entries[:limit], more]


def _names(names: Sequence[str]) -> str:
    named = names if len(names) <= MAX_NAMES_OF_A_COLOR else [*names[: MAX_NAMES_OF_A_COLOR - 1], None]
    return " or ".join(name or f"{len(names) - MAX_NAMES_OF_A_COLOR + 1} others" for name in named)


def alt_text(city: City) -> str:
    """Describe the city in words."""
    if city.towers.empty:
        return "A city without repositories."
    owners = city.districts.sort_values(["stars", "owner"], ascending=[False, True]).head(5)
    tallest = city.towers.sort_values(["height", "full_name"], ascending=[False, True]).head(5)
    heights = [
        (name, quantity(stars, "star")) for name, stars in zip(tallest["full_name"], tallest["stars"], strict=True)
    ]
    return (
        f"A city of {quantity(len(city.towers), 'repository', 'repositories')}"
        f" in {quantity(len(city.districts), 'district')}, one for each owner."
        f" Districts with most stars: {', '.join(f'{row.owner} ({row.stars:,})' for row in owners.itertuples())}."
        f" Tallest towers: {', '.join(f'{name} ({stars})' for name, stars in heights)}."
    )


def deck(
    city: City,
    theme: Theme,
    camera: Camera,
    labels: DataFrame,
    roofs: DataFrame,
    row_urls: Mapping[str, str],
    selected: str | None = None,
) -> pydeck.Deck:
    """Draw *city*; *row_urls* has the URLs of the rows of `towers` and `districts`, *selected* is the tower to mark.

    labels, roofs  what `labels` and `roof_names` return
    """
    # The loader raises where a file has no rows.
    rows: Mapping[str, object] = row_urls if len(city.towers) else {"districts": [], "towers": []}
    layers = [_floor_layer(rows["districts"], theme), _tower_layer(rows["towers"], theme)]
    layers.append(_roof_layer(roofs))
    marked = city.towers[city.towers["full_name"] == selected]
    if len(marked):
        layers.append(_selection_layer(marked, theme))
    layers += [_stem_layer(labels, theme), _label_layer(labels, theme)]
    return pydeck.Deck(
        layers=layers,
        views=[pydeck.View("OrbitView", controller=True, fovy=FIELD_OF_VIEW)],
        initial_view_state=pydeck.ViewState(
            longitude=None,
            latitude=None,
            target=[round(value, 2) for value in camera.target],
            zoom=round(camera.zoom, 4),
            rotation_x=camera.rotation_x,
            rotation_orbit=camera.rotation_orbit,
            min_zoom=camera.zoom - 1.5,
            max_zoom=camera.zoom + 6,
        ),
        map_provider=None,
        tooltip=_tooltip(theme),
    )


def _floor_layer(rows: object, theme: Theme) -> pydeck.Layer:
    return _polygon_layer(
        "districts", rows, fill=list(hex_to_rgb(FLOOR_COLORS[theme.dark])), extruded=False, pickable=False
    )


FLOOR_COLORS = {False: "#e2e8f0", True: "#1e293b"}
LABEL_COLORS = {False: ("#0f172a", "#ffffff", "#cbd5e1"), True: ("#f1f5f9", "#0b1222", "#475569")}


def _tower_layer(rows: object, theme: Theme) -> pydeck.Layer:
    return _polygon_layer(
        "towers",
        rows,
        fill="@@=[r, g, b]",
        extruded=True,
        get_elevation="height",
        pickable=True,
        auto_highlight=True,
        highlight_color=[255, 255, 255, 90] if theme.dark else [15, 23, 42, 70],
    )


def _polygon_layer(name: str, data: object, *, fill: object, **properties: Any) -> pydeck.Layer:
    """Draw flat or raised rectangles.

    Once a tower is selected Streamlit makes everything else translucent through `getFillColor` (and `getColor`).
    Colours are set on the sublayer instead, which it does not change: only the mark shows the selection.
    """
    return pydeck.Layer(
        "PolygonLayer",
        data,
        id=name,
        get_polygon=POLYGON_EXPRESSION,
        stroked=False,
        load_options=LOAD_OPTIONS,
        _subLayerProps={"fill": {"getFillColor": fill}},
        **properties,
    )


def _selection_layer(marked: DataFrame, theme: Theme) -> pydeck.Layer:
    """Draw a hood over the selected tower, in a colour that no language has."""
    row = marked[["x", "y", "width", "depth", "height"]].head(1).astype(float)
    hood = row.add(pd.Series(SELECTION_MARGIN)).round(1)
    return _polygon_layer(
        "chosen",
        plain_records(hood),
        fill=list(hex_to_rgb(theme.text)),
        extruded=True,
        get_elevation="height",
        pickable=False,
    )


def _stem_layer(labels: DataFrame, theme: Theme) -> pydeck.Layer:
    return pydeck.Layer(
        "LineLayer",
        plain_records(labels[["x", "y", "z", "top"]]),
        id="stems",
        get_source_position="[x, y, top]",
        get_target_position="[x, y, z]",
        get_color=[*hex_to_rgb(theme.muted), 102],
        get_width=1,
        pickable=False,
    )


def _label_layer(labels: DataFrame, theme: Theme) -> pydeck.Layer:
    text, ground, border = LABEL_COLORS[theme.dark]
    plain = {"color": hex_to_rgb(text), "ground": (*hex_to_rgb(ground), 235), "border": hex_to_rgb(border)}
    marked = {"color": hex_to_rgb("#ffffff"), "ground": hex_to_rgb(theme.accent), "border": hex_to_rgb(theme.accent)}
    rows = plain_records(labels[["text", "x", "y", "z"]])
    return pydeck.Layer(
        "TextLayer",
        [
            {**row, **(marked if is_selected else plain)}
            for row, is_selected in zip(rows, labels["is_selected"], strict=True)
        ],
        id="names",
        get_text="text",
        get_position="[x, y, z]",
        get_size=LABEL_PIXELS,
        font_family="'Inter, sans-serif'",
        font_weight=600,
        font_settings={"sdf": False, "fontSize": 48},
        get_text_anchor="'middle'",
        get_alignment_baseline="'bottom'",
        background=True,
        get_background_color="ground",
        background_padding=list(LABEL_PADDING),
        get_border_color="border",
        get_border_width=1,
        background_border_radius=4,
        # Drawn over everything, also over nearer towers.
        parameters={"depthCompare": "always"},
        character_set="'auto'",
        pickable=False,
        _subLayerProps={"characters": {"getColor": "@@=color"}},
    )


def _roof_layer(roofs: DataFrame) -> pydeck.Layer:
    """Draw names that lie on the roofs, and are hidden where a nearer tower hides the roof."""
    return pydeck.Layer(
        "TextLayer",
        plain_records(roofs.round(2)),
        id="roofs",
        get_text="text",
        get_position="[x, y, z]",
        get_size="size",
        size_units="'common'",
        billboard=False,
        font_family="'Inter, sans-serif'",
        font_weight=600,
        font_settings={"sdf": False, "fontSize": 64},
        get_text_anchor="'middle'",
        get_alignment_baseline="'center'",
        character_set="'auto'",
        pickable=False,
        _subLayerProps={"characters": {"getColor": "@@=color"}},
    )


def _tooltip(theme: Theme) -> dict[str, Any]:
    return {
        "html": "<b>{name}</b><br/>{stars_text} on {captured_on}<br/>{growth_text}<br/>{language}",
        "style": {
            "backgroundColor": theme.surface,
            "color": theme.text,
            "fontFamily": "Inter, sans-serif",
            "fontSize": "12px",
            "lineHeight": "1.5",
            "borderRadius": "8px",
            "border": f"1px solid {theme.grid}",
            "padding": "8px 10px",
            "maxWidth": "280px",
        },
    }
