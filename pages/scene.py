"""
# Scene
A city of what is held: every owner is a district, every repository a tower. Turn it, come closer, click.
"""

import streamlit as st

from core.charts.scene import city, deck
from core.charts.scene.camera import Canvas
from core.charts.scene.legend import legend_html
from core.db.data_version import data_version
from core.queries import repository_list
from core.queries import scene as queries
from core.web.scene_urls import SceneQuery, scene_version
from pages.components import as_of, page_width, query_params
from pages.components.cell import cell, theme
from pages.components.format import UNKNOWN, day, number, signed_number

OWNER_COUNTS = ["10", "25", "60", "120", "250"]
HEIGHT_MEASURES = ["stars", "growth"]
MAX_STARS = 10_000_000
CELL_PADDING = 34
SELECTED_PARAM = "repository"

language_options = repository_list.language_counts()["language"].tolist()
query_params.show_invalid_parameters(
    query_params.invalid_choices("owners", OWNER_COUNTS),
    query_params.invalid_choices("language", language_options, several=True),
    query_params.invalid_choices("height", HEIGHT_MEASURES),
    query_params.invalid_whole_numbers("min_stars", MAX_STARS),
)

with st.container(horizontal=True, vertical_alignment="bottom"):
    owners = st.selectbox("Most starred owners", OWNER_COUNTS, index=2, key="owners", bind="query-params", width=165)
    languages = st.multiselect(
        "Languages",
        language_options,
        key="language",
        bind="query-params",
        placeholder="All languages",
        width="stretch",
    )
    min_stars = st.number_input(
        "Stars, at least", 0, MAX_STARS, 0, 1_000, key="min_stars", bind="query-params", width=150
    )
    height = st.selectbox("Height", HEIGHT_MEASURES, key="height", bind="query-params", width=120)

choice = queries.CityFilters(int(owners), tuple(languages), min_stars, as_of.selected_as_of())
rows = queries.city_repositories(choice)
layout = city.build_city(rows, height)

eligible_repositories, eligible_owners = queries.count_eligible(choice)


def left_out_sentence() -> str:
    """Say what could stand in the city and does not."""
    repositories_left, owners_left = eligible_repositories - len(layout.towers), eligible_owners - len(layout.districts)
    if not repositories_left:
        return "Everything that matches stands here."
    return f"{number(repositories_left)} repositories, with {number(owners_left)} more owners, are left out."


def data_urls() -> dict[str, str]:
    """Where the browser finds the rows; another data version is another address."""
    asked = SceneQuery(
        owners=int(owners),
        language=tuple(languages),
        min_stars=min_stars,
        height=height,
        as_of=choice.as_of.date() if choice.as_of else None,
        v=scene_version(data_version()),
    )
    return {part: asked.model_copy(update={"part": part}).address() for part in ("towers", "districts")}


def store_selection_in_url() -> None:
    """Keep the clicked tower in the URL; a click beside all towers forgets it."""
    towers = st.session_state["city"]["selection"]["objects"].get("towers")
    if towers:
        st.query_params[SELECTED_PARAM] = towers[0]["name"]
    else:
        st.query_params.pop(SELECTED_PARAM, None)


def show_selected_tower(name: str | None) -> None:
    """Say in one line what the chosen tower is, or that one can be chosen."""
    found = layout.towers[layout.towers["full_name"] == name]
    with st.container(horizontal=True, vertical_alignment="center", key="chosen", gap="small"):
        if found.empty:
            st.caption(f":material/ads_click: Click a tower to see its repository. {left_out_sentence()}")
            return
        row = found.iloc[0]
        st.markdown(f"**[{row.full_name}](https://github.com/{row.full_name})**", width="content")
        st.caption(
            f"{number(row.stars)} stars on {day(row.checked_at)} · {signed_number(row.stars_30d)} in the 30 days before"
            f" · {row.language if isinstance(row.language, str) else UNKNOWN}",
            width="content",
        )
        st.page_link(
            "account.py",
            label=f"All of {row.owner}",
            icon=":material/person:",
            query_params={"login": row.owner},
            width="content",
        )


@st.fragment
def show_city() -> None:
    """The chosen tower, the city, and what its colours mean."""
    wide = page_width.page_width_px() - CELL_PADDING
    canvas = Canvas(wide, min(640, 130 + 0.5 * wide))
    chosen = st.query_params.get(SELECTED_PARAM)
    show_selected_tower(chosen)
    camera = deck.camera_for(layout, canvas)
    names = deck.labels(layout, camera, canvas, chosen)
    st.pydeck_chart(
        deck.deck(layout, theme(), camera, names, data_urls(), chosen),
        height=int(canvas.height),
        on_select=store_selection_in_url,
        key="city",
        alt=deck.alt_text(layout),
    )
    st.html(legend_html(deck.language_legend(layout, 10), theme(), label="Towers by language"))
    page_width.measure_page()


cell(
    "Who has the most starred repositories, and in which languages?",
    "Ground and height follow the square root of stars, so a tower's volume is its stars. Colour is the main language."
    if height == "stars"
    else "Height follows the square root of the stars won in 30 days, ground that of all stars. Flat: none, or not known.",
    rows,
    name="city",
    chart=show_city,
    note=f"{as_of.as_of_label()} · {number(len(layout.towers))} of {number(eligible_repositories)} repositories",
    definition="A repository's number is that of the last look at it, which the tooltip dates. Gone ones are left out,"
    f" forks are not. At most {queries.MAX_TOWERS:,} towers stand, the most starred.",
    empty="No repository matches. Choose fewer stars, more languages, or a later day.",
)
