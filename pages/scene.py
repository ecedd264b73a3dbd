"""
# Scene
A city of the stored repositories: every owner is a district, every repository a tower. Turn it, zoom in, click.
"""

import streamlit as st

from core.as_of import as_of_text
from core.charts.scene.city import HeightMeasure
from core.queries import accounts, repository_list
from core.queries import scene as queries
from core.web import scene_layouts
from core.web.scene_urls import SceneQuery
from core.wording import quantity
from pages.components import as_of, definitions, query_params, unknown_account
from pages.components.cell import cell
from pages.components.format import number
from pages.sections import scene_view

owner_options = ["10", "25", "60", "120", "250"]
height_options: list[HeightMeasure] = ["stars", "growth"]
language_options = repository_list.language_counts()["language"].tolist()
query_params.show_invalid_parameters(
    query_params.invalid_choices("owners", owner_options),
    query_params.invalid_languages(language_options),
    query_params.invalid_choices("height", height_options),
    query_params.invalid_whole_numbers("min_stars"),
)
with st.container(horizontal=True, vertical_alignment="bottom"):
    owners = st.selectbox("Most starred owners", owner_options, index=2, key="owners", bind="query-params", width=165)
    languages = st.multiselect(
        "Languages",
        language_options,
        key="language",
        bind="query-params",
        placeholder="All languages",
        width="stretch",
    )
    account = query_params.text_input("Account", key="account", placeholder="All", width=140)
    min_stars = query_params.whole_number_input("Stars, at least", key="min_stars", step=1_000, width=150)
    height = st.selectbox("Height", height_options, key="height", bind="query-params", width=120)
if account and accounts.find(account, as_of.selected_as_of()) is None:
    unknown_account.explain(account)
    st.stop()

filters = queries.CityFilters(
    int(owners), tuple(languages), min_stars, as_of.selected_as_of(), account, as_of.selected_vs()
)
repositories = queries.city_repositories(filters)
version, layout = scene_layouts.lay_out(repositories, filters, height)
matching_repositories, matching_owners = queries.count_eligible(filters)
# The URLs name the layout: labels and rows are of the same one, and browsers cache the rows.
query = SceneQuery(
    owners=int(owners),
    language=tuple(languages),
    account=account,
    min_stars=min_stars,
    height=height,
    as_of=as_of_text(filters.as_of) if filters.as_of else None,
    vs=as_of_text(filters.vs) if filters.vs else None,
    v=version,
)
data_urls = {part: query.model_copy(update={"part": part}).address() for part in ("towers", "districts")}
gained = f"since {as_of.moment(filters.vs)}" if filters.vs else "in 30 days"
left_out = scene_view.left_out_sentence(layout, matching_repositories, matching_owners)
cell(
    "Who has the most starred repositories, and in which languages?",
    (
        "Base area and height grow with the square root of stars, so volume shows stars."
        if height == "stars"
        else f"Height follows the square root of the stars gained {gained}, base that of all stars. Flat: none gained, "
        "or unknown."
    )
    + " Colour, and the name on larger roofs: primary language.",
    repositories,
    name="city",
    chart=lambda: scene_view.show_city(layout, data_urls, left_out),
    note=f"{as_of.as_of_label()} · {number(len(layout.towers))} of {quantity(matching_repositories, 'repository', 'repositories')}",
    definition=definitions.SCENE_TOWERS.format(max_towers=queries.MAX_TOWERS),
    empty="No repository matches. Choose fewer stars, more languages, another account, or a later day."
    if repository_list.count_repositories(filters.as_of)
    else as_of.nothing_collected(),
)
