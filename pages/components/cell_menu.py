"""The menu at the end of a cell: a link to exactly this cell, its chart as SVG or PNG, a report that doubts it."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from uuid import uuid4

import streamlit as st

from core.charts.theme import Theme
from core.number_reports import DoubtedCell
from pages.components import export, report_number

SCRIPT = Path(__file__).with_suffix(".js")
LINK, SVG, PNG, REPORT = "Link to this cell", "Chart as SVG", "Chart as PNG", "Report this number"
ICONS = {LINK: ":material/link:", SVG: ":material/image:", PNG: ":material/image:", REPORT: ":material/flag:"}
LINKED = "The address bar holds the link to this cell. It is in the clipboard, too, where the browser allows that."


@cache
def script_source() -> str:
    return SCRIPT.read_text(encoding="utf-8")


def show_cell_menu(
    name: str, question: str, note: str, theme: Theme, doubted: Callable[[], DoubtedCell], *, has_chart: bool
) -> None:
    """Draw the menu of the cell *name* and do what was chosen.

    note     what an image says below the chart
    doubted  returns what a report of the cell holds
    """
    options = [LINK, SVG, PNG, REPORT] if has_chart else [LINK, REPORT]
    chosen = st.menu_button(
        "More",
        options,
        icon=":material/more_horiz:",
        type="tertiary",
        help="Link, chart as an image, report" if has_chart else "Link, report",
        format_func=lambda option: f"{ICONS[option]} {option}",
        key=f"tool-more-{name}",
    )
    if chosen is None:
        return
    if chosen == REPORT:
        report_number.show_dialog(doubted())
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
