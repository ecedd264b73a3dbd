"""The menu at the end of a cell: a link to exactly this cell, and its chart as SVG or PNG."""

from functools import cache
from pathlib import Path
from uuid import uuid4

import streamlit as st

from core.charts.theme import Theme
from pages.components import export

SCRIPT = Path(__file__).with_suffix(".js")
LINK, SVG, PNG = "Link to this cell", "Chart as SVG", "Chart as PNG"
ICONS = {LINK: ":material/link:", SVG: ":material/image:", PNG: ":material/image:"}
LINKED = "The address bar holds the link to this cell. It is in the clipboard, too, where the browser allows that."


@cache
def script_source() -> str:
    return SCRIPT.read_text(encoding="utf-8")


def show_cell_menu(name: str, question: str, note: str, theme: Theme, *, has_chart: bool) -> None:
    """Draw the menu of the cell *name* and do what was chosen. *note* is what an image says below the chart."""
    options = [LINK, SVG, PNG] if has_chart else [LINK]
    chosen = st.menu_button(
        "More",
        options,
        icon=":material/more_horiz:",
        type="tertiary",
        help="Link to this cell, chart as an image" if has_chart else "Link to this cell",
        format_func=lambda option: f"{ICONS[option]} {option}",
        key=f"tool-more-{name}",
    )
    if chosen is None:
        return
    action = {LINK: "link", SVG: "svg", PNG: "png"}[chosen]
    if chosen == LINK:
        st.toast(LINKED, icon=":material/link:")
    component = st.components.v2.component("almanac_cell_menu", js=script_source())
    component(
        key=f"script-menu-{name}",
        data={
            "action": action,
            "attempt": uuid4().hex,
            "cell": name,
            "file": export.file_name(name, action),
            "title": question,
            "note": f"Almanac · {note}",
            "background": theme.background,
            "text": theme.text,
            "muted": theme.muted,
        },
    )
