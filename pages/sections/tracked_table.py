"""The table of what is tracked: filtered, changed cell by cell, or acted on many at once."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

import pandas as pd
import streamlit as st
from pandas import DataFrame
from streamlit import column_config as column

from core.auth.identity import Identity
from core.db.engine import transaction
from core.exports import csv
from core.queries import tracking
from core.tracking import commands as tracking_commands
from core.tracking.cadence_options import CADENCES, cadence_label
from core.tracking.cadence_options import parse_cadence_label as meant_cadence
from pages.components import export
from pages.components.columns import TIMESTAMP_COLUMN
from pages.components.format import UNKNOWN, duration, number
from pages.components.markdown import escape_markdown as as_text
from pages.session import current
from pages.session.common import errors_as_notices

MAX_ROWS = 1_000
MAX_EXPLAINED = 3
STATES = ("all", "due", "queued", "failing", "new", "waiting", "paused")
EDITABLE_COLUMNS = ("every", "priority", "paused", "note")
NOTICE_KEY, STATE_PARAM = "board-done", "state"
PLANNED_HELP = "What the planner chose, from how often the account changes, its priority and the budget"


def table_columns(cadences: list[str]) -> dict[str, Any]:
    return {
        "chosen": column.CheckboxColumn("", width=40, help="Choose for the buttons below"),
        "login": column.TextColumn("Account", width=140, disabled=True, pinned=True),
        "state": column.TextColumn("State", width=72, disabled=True),
        "every": column.SelectboxColumn("How often", options=cadences, width=115, required=True),
        "planned": column.TextColumn("Planned", width=78, disabled=True, help=PLANNED_HELP),
        "changes": column.TextColumn(
            "Changes", width=86, disabled=True, help="How often it changes, as far as was seen"
        ),
        "priority": column.NumberColumn("Priority", min_value=-3, max_value=3, step=1, width=90, required=True),
        "paused": column.CheckboxColumn("Paused", width=88),
        "due_at": TIMESTAMP_COLUMN | {"label": "Next look", "width": 122, "disabled": True},
        "checked_at": TIMESTAMP_COLUMN | {"label": "Last look", "width": 122, "disabled": True},
        "note": column.TextColumn("Note", width=180, max_chars=tracking_commands.MAX_NOTE_LENGTH),
        "failures": column.NumberColumn("Failed", width=65, disabled=True, help="Times in a row"),
        "repositories": column.NumberColumn("Repositories", format="localized", width=95, disabled=True),
        "stars": column.NumberColumn("Stars", format="localized", width=80, disabled=True),
        "added_by": column.TextColumn("Added by", width=110, disabled=True),
    }


def change_rate_label(changes_a_day: Any) -> str:
    """How often something changes: 3.2 a day, 1.4 a week; a dash before anybody knows."""
    if pd.isna(changes_a_day):
        return UNKNOWN
    per_day = float(changes_a_day)
    if per_day >= 1000:
        return "all the time"
    if per_day >= 1:
        return f"{number(per_day) if per_day >= 10 else f'{per_day:.1f}'} a day"
    return f"{per_day * 7:.1f} a week" if per_day * 7 >= 0.1 else "hardly ever"


def cadence_reason(one: Mapping[Any, Any]) -> str:
    """Why an account is looked at as often as it is."""
    name = f"**{as_text(str(one['login']))}**"
    planned = duration(one["planned_hours"])
    changes = change_rate_label(one["changes_a_day"])
    if one["paused"]:
        return f"{name} is paused: nobody looks until it is resumed."
    if not pd.isna(one["every_hours"]):
        return f"{name} is looked at every {duration(one['every_hours'])} because an admin pinned that."
    if not one["is_planned"]:
        return f"{name} is looked at every {planned}, the usual cadence: it was seen too seldom to be planned."
    weight = f" and its priority is {one['priority']:+d}" if one["priority"] else ""
    return f"{name} is looked at every {planned}: it changes {changes}{weight}, and the budget is spread by that."


def show(_admin: Identity, counted: dict[str, int], now: datetime) -> None:
    if not counted["all"]:
        st.info(
            "Nothing is tracked yet. Add accounts above; the first look comes within a minute.",
            icon=":material/waving_hand:",
        )
        return
    if said := st.session_state.pop(NOTICE_KEY, ""):
        st.success(said, icon=":material/check_circle:")
    with st.container(horizontal=True, vertical_alignment="center", key="board-filters"):
        search = st.text_input(
            "Search", key="q", bind="query-params", max_chars=100, placeholder="Login, name or note",
            icon=":material/search:", label_visibility="collapsed", width=260,
        )  # fmt: skip
        state = choose_state(counted)
    found = tracking.tracked_table(now, search, "" if state == "all" else state, MAX_ROWS)
    if found.empty:
        st.info("Nothing fits this search.", icon=":material/search_off:")
        return
    show_editor(found)


def choose_state(counted: dict[str, int]) -> str:
    """One of the states that there are; the address holds its bare name, since how many there are changes."""
    asked = st.query_params.get(STATE_PARAM, "all")
    chosen = st.pills(
        "State",
        [one for one in STATES if one in {"all", asked} or counted.get(one)],
        format_func=lambda one: f"{one} {number(counted.get(one, 0))}",
        default=asked if asked in STATES else "all",
        key="board-state",
        on_change=store_state_in_url,
        label_visibility="collapsed",
    )
    return chosen or "all"


def store_state_in_url() -> None:
    """Put the chosen state into the address: a link shows the same."""
    chosen = st.session_state["board-state"]
    if chosen and chosen != "all":
        st.query_params[STATE_PARAM] = chosen
    else:
        st.query_params.pop(STATE_PARAM, None)


def show_editor(found: DataFrame) -> None:
    """The table itself, and what can be done with it."""
    rows = found.assign(
        chosen=False,
        planned=[duration(hours) for hours in found["planned_hours"]],
        changes=[change_rate_label(rate) for rate in found["changes_a_day"]],
        every=[
            cadence_label(hours)
            for hours in found["every_hours"].astype(object).where(found["every_hours"].notna(), None)
        ],
    )
    rows.attrs = {}
    cadences = list(dict.fromkeys([*CADENCES, *rows["every"]]))
    shown = table_columns(cadences)
    version = st.session_state.setdefault("board-version", 0)
    edited = st.data_editor(
        rows[list(shown)],
        column_config=shown,
        hide_index=True,
        placeholder="—",
        height=min(560, 35 * (len(rows) + 1) + 3),
        # Edits are kept by place: on another list they would be of somebody else.
        key=f"board-{version}-{crc32(str(list(found['account_id'])).encode())}",
    )
    changes = edited_settings(rows, edited)
    chosen = [int(at) for at, is_chosen in enumerate(edited["chosen"]) if is_chosen]
    show_action_buttons(found, changes, chosen)
    for at in chosen[:MAX_EXPLAINED]:
        st.caption(f":material/balance: {cadence_reason(found.iloc[at].to_dict())}")
    more = f" The first {number(MAX_ROWS)} are shown: search for the others." if len(found) == MAX_ROWS else ""
    st.caption(f"{number(len(found))} shown.{more}")


def edited_settings(before: DataFrame, after: DataFrame) -> dict[str, dict[str, Any]]:
    """What was changed in the table: login -> what `core.tracking.accounts.update_tracking` takes."""
    changes: dict[str, dict[str, Any]] = {}
    for at, login in enumerate(before["login"]):
        for name in EDITABLE_COLUMNS:
            old, new = before[name].iloc[at], after[name].iloc[at]
            if (pd.isna(old) and pd.isna(new)) or (not pd.isna(old) and not pd.isna(new) and old == new):
                continue
            changes.setdefault(str(login), {})[name] = parse_setting(name, new)
    return changes


def parse_setting(name: str, value: Any) -> Any:
    match name:
        case "every":
            return meant_cadence(str(value))
        case "priority":
            return int(value)
        case "paused":
            return bool(value)
    return None if pd.isna(value) or not str(value).strip() else str(value)


def show_action_buttons(found: DataFrame, changes: dict[str, dict[str, Any]], chosen: list[int]) -> None:
    logins = [str(found["login"].iloc[at]) for at in chosen]
    ids = [int(found["account_id"].iloc[at]) for at in chosen]
    none = not chosen
    count = f" {number(len(chosen))}" if chosen else ""
    with st.container(horizontal=True, key="board-buttons"):
        st.button(
            f"Save {number(len(changes))} changed" if changes else "Save",
            type="primary", icon=":material/save:", disabled=not changes, on_click=save_changes, args=(changes,), key="save",
        )  # fmt: skip
        st.button(
            f"Refresh{count} now",
            icon=":material/sync:",
            disabled=none,
            on_click=refresh_now,
            args=(ids,),
            key="refresh",
        )
        pause = {login: {"paused": True} for login in logins}
        st.button(
            f"Pause{count}", icon=":material/pause:", disabled=none, on_click=save_changes, args=(pause,), key="pause"
        )
        resume = {login: {"paused": False} for login in logins}
        st.button(
            f"Resume{count}",
            icon=":material/play_arrow:",
            disabled=none,
            on_click=save_changes,
            args=(resume,),
            key="resume",
        )
        if st.button(f"Remove{count}", icon=":material/delete:", disabled=none, key="remove"):
            confirm_removal(logins)
        export.export_button(
            "CSV", found.drop(columns=["account_id", "is_planned"]), csv, key="board-csv",
            file_name="almanac-tracking.csv", mime="text/csv", icon=":material/download:",
        )  # fmt: skip


def save_changes(changes: dict[str, dict[str, Any]]) -> None:
    admin = current.require_identity("admin")
    with errors_as_notices(), transaction() as connection:
        changed = tracking_commands.update_tracking(connection, admin, changes, datetime.now(UTC), current.origin())
        _set_notice(f"{number(changed)} {'account' if changed == 1 else 'accounts'} changed.")


def refresh_now(account_ids: list[int]) -> None:
    admin = current.require_identity("admin")
    with errors_as_notices(), transaction() as connection:
        started = tracking_commands.start_refresh(connection, admin, account_ids, datetime.now(UTC), current.origin())
        if started is not None:
            waiting = (
                f" {number(started.queued_already)} waited already and come sooner now."
                if started.queued_already
                else ""
            )
            _set_notice(f"Ingestion {started.id}: {number(started.accounts)} queued.{waiting}")


@st.dialog("Remove from tracking")
def confirm_removal(logins: list[str]) -> None:
    st.markdown(
        f"**{number(len(logins))}** will not be looked at any more: {', '.join(logins[:12])}{' …' if len(logins) > 12 else ''}"
    )
    st.caption("Their history stays, and goes on if they are added again.")
    if st.button("Remove", type="primary", key="remove-sure"):
        admin = current.require_identity("admin")
        with errors_as_notices(), transaction() as connection:
            stopped = tracking_commands.stop_tracking(connection, admin, logins, current.origin())
            _set_notice(f"{number(stopped)} no longer tracked.")
        st.rerun()


def _set_notice(said: str) -> None:
    """Tell in the next run, over a table that holds no unsaved edits any more."""
    st.session_state[NOTICE_KEY] = said
    st.session_state["board-version"] = st.session_state.get("board-version", 0) + 1
