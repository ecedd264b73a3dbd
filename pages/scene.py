"""
# Scene
A city of what is held: every owner is a district, every repository a tower. Turn it, come closer, click.
"""

import streamlit as st

from core.charts.scene import city, deck
from core.charts.scene.camera import Canvas
from core.charts.scene.legend import legend
from core.db.data_version import data_version
from core.queries import repository_list
from core.queries import scene as queries
from core.web.scene_urls import Wanted, edition
from pages.components import as_of, page_width, query_params
from pages.components.cell import cell, theme
from pages.components.format import UNKNOWN, day, number, signed

OWNERS = ["10", "25", "60", "120", "250"]
HEIGHTS = ["stars", "growth"]
MOST_STARS = 10_000_000
CELL_PADDING = 34
CHOSEN = "repository"

known_languages = repository_list.languages()["language"].tolist()
query_params.tell(
    query_params.one_of("owners", OWNERS),
    query_params.one_of("language", known_languages, several=True),
    query_params.one_of("height", HEIGHTS),
    query_params.whole_number("min_stars", MOST_STARS),
)

with st.container(horizontal=True, vertical_alignment="bottom"):
    owners = st.selectbox("Most starred owners", OWNERS, index=2, key="owners", bind="query-params", width=165)
    languages = st.multiselect(
        "Languages",
        known_languages,
        key="language",
        bind="query-params",
        placeholder="All languages",
        width="stretch",
    )
    min_stars = st.number_input(
        "Stars, at least", 0, MOST_STARS, 0, 1_000, key="min_stars", bind="query-params", width=150
    )
    height = st.selectbox("Height", HEIGHTS, key="height", bind="query-params", width=120)

choice = queries.Choice(int(owners), tuple(languages), min_stars, as_of.as_of())
rows = queries.city(choice)
plan = city.build(rows, height)

held, of_owners = queries.eligible(choice)


def left_out() -> str:
    """Say what could stand in the city and does not."""
    repositories_left, owners_left = held - len(plan.towers), of_owners - len(plan.districts)
    if not repositories_left:
        return "Everything that matches stands here."
    return f"{number(repositories_left)} repositories, with {number(owners_left)} more owners, are left out."


def addresses() -> dict[str, str]:
    """Where the browser finds the rows; another data version is another address."""
    asked = Wanted(
        owners=int(owners),
        language=tuple(languages),
        min_stars=min_stars,
        height=height,
        as_of=choice.as_of.date() if choice.as_of else None,
        v=edition(data_version()),
    )
    return {part: asked.model_copy(update={"part": part}).address() for part in ("towers", "districts")}


def remember() -> None:
    """Keep the clicked tower in the URL; a click beside all towers forgets it."""
    towers = st.session_state["city"]["selection"]["objects"].get("towers")
    if towers:
        st.query_params[CHOSEN] = towers[0]["name"]
    else:
        st.query_params.pop(CHOSEN, None)


def tell(name: str | None) -> None:
    """Say in one line what the chosen tower is, or that one can be chosen."""
    found = plan.towers[plan.towers["full_name"] == name]
    with st.container(horizontal=True, vertical_alignment="center", key="chosen", gap="small"):
        if found.empty:
            st.caption(f":material/ads_click: Click a tower to see its repository. {left_out()}")
            return
        row = found.iloc[0]
        st.markdown(f"**[{row.full_name}](https://github.com/{row.full_name})**", width="content")
        st.caption(
            f"{number(row.stars)} stars on {day(row.checked_at)} · {signed(row.stars_30d)} in the 30 days before"
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
def draw() -> None:
    """The chosen tower, the city, and what its colours mean."""
    wide = page_width.of_page() - CELL_PADDING
    canvas = Canvas(wide, min(640, 130 + 0.5 * wide))
    chosen = st.query_params.get(CHOSEN)
    tell(chosen)
    camera = deck.camera_for(plan, canvas)
    names = deck.labels(plan, camera, canvas, chosen)
    st.pydeck_chart(
        deck.deck(plan, theme(), camera, names, addresses(), chosen),
        height=int(canvas.height),
        on_select=remember,
        key="city",
        alt=deck.said(plan),
    )
    st.html(legend(deck.colors(plan, 10), theme(), label="Towers by language"))
    page_width.measure()


cell(
    "Who has the most starred repositories, and in which languages?",
    "Ground and height follow the square root of stars, so a tower's volume is its stars. Colour is the main language."
    if height == "stars"
    else "Height follows the square root of the stars won in 30 days, ground that of all stars. Flat: none, or not known.",
    rows,
    name="city",
    chart=draw,
    note=f"{as_of.said()} · {number(len(plan.towers))} of {number(held)} repositories",
    definition="A repository's number is that of the last look at it, which the tooltip dates. Gone ones are left out,"
    f" forks are not. At most {queries.MOST_TOWERS:,} towers stand, the most starred.",
    empty="No repository matches. Choose fewer stars, more languages, or a later day.",
)
