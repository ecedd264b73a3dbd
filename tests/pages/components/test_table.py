"""Tables: their height, and the selected row in the URL."""

import re
import tomllib
from pathlib import Path

import pytest
from pandas import DataFrame
from streamlit.column_config import NumberColumn
from streamlit.testing.v1 import AppTest

from pages.components import columns
from pages.components.table import ONE_DECIMAL, rounded_as_shown, share_bar, share_column, table_height


@pytest.mark.parametrize(("row_count", "height"), [(0, 35), (2, 101), (11, 398), (12, 414), (100, 414)])
def test_a_table_is_as_high_as_its_rows_and_a_longer_one_ends_in_half_a_row(row_count, height):
    """The header and each row have 33 px, borders 2: 33 * 12 + 2 = 398; 33 * 12.5 + 2 = 414.5 is the most below 430."""
    assert table_height(row_count) == height


def test_shares_are_percents_with_one_decimal_and_only_a_full_one_is_100():
    columns = {"share": share_column("Share"), "left": share_bar("Left"), "stars": NumberColumn("Stars"), "gone": None}
    rows = DataFrame({"share": [0.14, 0.0531, None], "left": [1, 0.9999, -0.0001], "stars": [1, 2, 3]})
    shown = rounded_as_shown(rows, columns)
    assert shown["share"].tolist()[:2] == [14.0, 5.3]
    assert shown["share"].isna().tolist() == [False, False, True]
    assert [str(share) for share in shown["left"]] == ["100.0", "99.9", "0.0"]
    assert shown["stars"].tolist() == [1, 2, 3]
    assert rows["share"].tolist()[:2] == [0.14, 0.0531]


PHONE_PX = 340  # of a table in a cell, in a window of 420 px


def test_wide_tables_keep_the_name_in_view_while_the_numbers_are_scrolled():
    named = {name: table for name, table in vars(columns).items() if name.isupper() and isinstance(table, dict)}
    tables = {name: table for name, table in named.items() if "repository" in table}
    wide = {
        name: first
        for name, table in tables.items()
        if (first := table["repository"])
        and sum(shown["width"] for shown in table.values() if shown and isinstance(shown.get("width"), int)) > PHONE_PX
    }
    assert len(wide) >= 5
    assert [name for name, first in wide.items() if not first.get("pinned")] == []


@pytest.mark.parametrize(
    ("table", "shown"),
    [("RANKED_MOVERS", "growth"), ("COLLECTED_REPOSITORIES", "stars"), ("REPOSITORIES", "stars")],
)
def test_what_a_table_is_about_is_seen_on_a_phone(table, shown):
    names = list(getattr(columns, table))
    before = names[: names.index(shown) + 1]
    assert sum(getattr(columns, table)[name]["width"] for name in before) <= PHONE_PX


def test_a_change_that_rounds_to_zero_has_no_sign():
    rows = DataFrame({"percent": [-0.04, 1283.27, None]})
    shown = rounded_as_shown(rows, {"percent": NumberColumn("Change, %", format=ONE_DECIMAL)})
    assert [str(percent) for percent in shown["percent"][:2]] == ["0.0", "1283.3"]
    assert shown["percent"].isna().tolist() == [False, False, True]


def test_all_columns_write_numbers_with_separators_and_without_a_plus_before_zero():
    """Streamlit's own "percent" leaves out trailing zeros: 14 % and 5.31 % in one column."""
    pages = Path(__file__).resolve().parents[3] / "pages"
    calls = [
        call
        for path in pages.rglob("*.py")
        for call in re.findall(r"NumberColumn\((?:[^()]|\([^()]*\))*\)", path.read_text(encoding="utf-8"))
    ]
    written = re.compile(r'format=("localized"|ONE_DECIMAL|TWO_DECIMALS|PERCENT_FORMAT)')
    others = [call for call in calls if not written.search(call)]
    assert len(calls) > 80
    assert {re.search('"(.*?)"', call)[1] for call in others} == {"Priority", "No.", "Status"}


@pytest.mark.parametrize("selected", ["ada", "ADA", "nobody", ""])
def test_the_row_named_in_the_url_is_selected(selected):
    def page():
        import streamlit as st
        from pandas import DataFrame

        from pages.components.table import choose_row

        frame = DataFrame({"name": ["bob", "ada"], "hidden": [1, 2]})
        choose_row(frame, {"name": "Name"}, ids=frame["name"], param="person", key="people", alt="People")
        st.caption(f"{st.session_state['people'].selection.rows}")

    app = AppTest.from_function(page)
    app.query_params["person"] = selected
    app.run()
    assert not app.exception
    assert list(app.dataframe[0].value.columns) == ["name"]
    assert app.caption[0].value == ("[1]" if selected.lower() == "ada" else "[]")


def test_every_table_is_followed_by_its_downloads():
    """Streamlit's own are switched off: they know neither the limit nor spreadsheets."""
    pages = Path(__file__).resolve().parents[3] / "pages"
    tables = {path.name: path.read_text(encoding="utf-8") for path in pages.rglob("*.py")}
    drawn = {name for name, code in tables.items() if re.search(r"st\.(dataframe|data_editor|table)\(", code)}
    assert drawn == {"cell.py", "table.py", "add_accounts.py", "tracked_table.py", "repository_table.py"}
    left_to_caller = {name for name, code in tables.items() if "exported=False" in code}
    for name in drawn | left_to_caller:
        assert re.search(r"export_buttons(_for)?\(|show_csv_button\(", tables[name]), name
    settings = tomllib.loads((pages.parent / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert settings["client"]["disableDataExport"] is True


def test_moments_to_the_minute_name_their_time_zone():
    pages = Path(__file__).resolve().parents[3] / "pages"
    written = {path.name: path.read_text(encoding="utf-8") for path in pages.rglob("*.py")}
    labels = [
        label
        for code in written.values()
        for label in re.findall(r'DatetimeColumn\(\s*f?"([^"]*)",\s*format="[^"]*HH:mm', code)
    ]
    assert labels
    assert [label for label in labels if not label.endswith(", UTC")] == []
