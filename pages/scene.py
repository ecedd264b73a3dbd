"""
# Scene
Every owner is a district, every repository a tower.
"""

import streamlit as st

from core import database
from core.charts import city, scene
from core.charts.camera import Canvas
from core.queries import repositories
from core.queries import scene as queries
from core.queries.scene import Choice
from core.web.scene import Wanted, edition
from pages import moment, width
from pages.cell import cell, theme
from pages.words import number

OWNERS = [25, 60, 120, 250]

with st.container(horizontal=True, vertical_alignment="bottom"):
    owners = st.selectbox("Owners", OWNERS, index=1, key="owners", bind="query-params", width=130)
    languages = st.multiselect("Languages", repositories.languages()["language"], key="language", bind="query-params", placeholder="All languages")
    min_stars = st.number_input("At least so many stars", 0, 10_000_000, 0, 1000, key="min_stars", bind="query-params", width=190)
    height = st.segmented_control("Height", ["stars", "growth"], default="stars", required=True, key="height", bind="query-params")

choice = Choice(owners, tuple(languages), min_stars, moment.as_of())
rows = queries.city(choice)
wide = width.of_page() - 34
canvas = Canvas(wide, max(380, min(640, 0.68 * wide)))
built = city.build(rows, height)
version = edition(database.data_version())


def draw() -> None:
    camera = scene.camera_for(built, canvas)
    names = scene.labels(built, camera, canvas)
    wanted = Wanted(owners=owners, language=tuple(languages), min_stars=min_stars, height=height, as_of=st.session_state.get("as_of"), v=version)
    from urllib.parse import urlencode
    address = {part: "/api/v1/scene/city.csv?" + urlencode(wanted.model_copy(update={"part": part}).query()) for part in ("towers", "districts")}
    picked = st.session_state.get("city", {}).get("selection", {}).get("objects", {}).get("towers", [])
    chosen = picked[0]["name"] if picked else None
    st.pydeck_chart(scene.deck(built, theme(), camera, names, address, chosen), height=int(canvas.height), on_select="rerun", key="city")


cell("Who has the most starred repositories?", "x", rows, name="city", chart=draw)
