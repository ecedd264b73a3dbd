"""The 3D city of the scene page: deck, legend, and the selected tower in the URL."""

from dataclasses import dataclass

import streamlit as st
from pandas import DataFrame

from core.charts.scene import deck
from core.charts.scene.camera import Camera, Canvas
from core.charts.scene.city import City
from core.charts.scene.legend import LegendEntry, legend_html
from core.charts.scene.roof_names import roof_names
from core.db.frames import frame_bytes
from core.shared_cache import memoized
from core.wording import quantity
from pages.components import page_width, query_params
from pages.components.cell import theme
from pages.components.format import UNKNOWN, day
from pages.components.markdown import escape_markdown
from pages.session import guard

CELL_PADDING = 34
SELECTED_PARAM = "repository"


def left_out_sentence(layout: City, repositories: int, owners: int) -> str:
    """Return how many of the matching *repositories* and *owners* the city leaves out."""
    repositories_left, owners_left = repositories - len(layout.towers), owners - len(layout.districts)
    if not repositories_left:
        return "Everything that matches is shown."
    left_out = quantity(repositories_left, "repository", "repositories")
    return f"{left_out}, with {quantity(owners_left, 'more owner')}, are left out."


@guard.fragment()
def show_city(layout: City, data_urls: dict[str, str], left_out: str) -> None:
    """Draw the selected tower's line, the city and its legend.

    data_urls  where the browser loads the towers and districts from
    left_out   a sentence, shown while no tower is selected
    """
    width = page_width.page_width_px() - CELL_PADDING
    canvas = Canvas(width, min(640, 130 + 0.5 * width))
    selected = query_params.get(SELECTED_PARAM)
    show_selected_tower(layout, selected, left_out)
    view = memoized(view_of, lambda view: frame_bytes(view.roof_names) + 200 * len(view.legend), layout, canvas)
    st.pydeck_chart(
        deck.deck(
            layout,
            theme(),
            view.camera,
            deck.labels(layout, view.camera, canvas, selected),
            view.roof_names,
            data_urls,
            selected,
        ),
        height=int(canvas.height),
        on_select=store_selection_in_url,
        key="city",
        alt=view.alt,
    )
    st.html(legend_html(view.legend, theme(), label="Towers by language"))
    page_width.measure_page()


@dataclass(frozen=True)
class CityView:
    """The parts of the scene that follow from city and canvas alone, the same in each rerun."""

    camera: Camera
    roof_names: DataFrame
    legend: list[LegendEntry]
    alt: str


def view_of(layout: City, canvas: Canvas) -> CityView:
    camera = deck.camera_for(layout, canvas)
    names = roof_names(layout, camera, canvas)
    return CityView(camera, names, deck.language_legend(layout, 10), deck.alt_text(layout))


def show_selected_tower(layout: City, name: str | None, left_out: str) -> None:
    """Show name, stars and language of the selected tower, or that a tower can be selected."""
    found = layout.towers[layout.towers["full_name"] == name]
    with st.container(horizontal=True, vertical_alignment="center", key="chosen", gap="small"):
        if found.empty:
            missing = f"{escape_markdown(name)} is not in this city. " if name else ""
            st.caption(f":material/ads_click: {missing}Click a tower to see its repository. {left_out}")
            return
        row = found.iloc[0]
        st.page_link(
            "repository.py",
            label=f"**{escape_markdown(row.full_name)}**",
            query_params={"name": row.full_name},
            width="content",
        )
        language = escape_markdown(row.language) if isinstance(row.language, str) else UNKNOWN
        st.caption(
            f"{quantity(row.stars, 'star')} on {day(row.checked_at)} · {deck.growth_labels(found)[0]} · {language}",
            width="content",
        )
        st.page_link(
            "account.py",
            label=f"All of {escape_markdown(row.owner)}",
            icon=":material/person:",
            query_params={"login": row.owner},
            width="content",
        )


@guard.callback()
def store_selection_in_url() -> None:
    """Keep the clicked tower in the URL; a click beside all towers removes it."""
    towers = st.session_state["city"]["selection"]["objects"].get("towers")
    query_params.set_param(SELECTED_PARAM, towers[0]["name"] if towers else "")
