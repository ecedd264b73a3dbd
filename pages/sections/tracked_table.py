"""The table of tracked accounts: filters, an editor, and actions on selected rows."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

import pandas as pd
import streamlit as st
from pandas import DataFrame
from streamlit import column_config as column

from core.auth.identity import Identity
from core.db.engine import transaction, write_rows
from core.queries import tracking
from core.tracking import commands as tracking_commands
from core.tracking.cadence_options import CADENCES, cadence_label, parse_cadence_label
from core.wording import pluralize, quantity
from pages.components import export, query_params
from pages.components.columns import timestamp_column
from pages.components.format import UNKNOWN, duration, number
from pages.components.markdown import escape_markdown
from pages.components.notices import errors_as_notices
from pages.components.table import table_height, without_attrs
from pages.session import current, guard

MAX_ROWS = 1_000
MAX_EXPLAINED = 3
MAX_NAMED = 12
STATES = ("all", "due", "queued", "failing", "deleted", "new", "waiting", "paused")
EDITABLE_COLUMNS = ("every", "priority", "paused", "note")
NOTICE_KEY, STATE_PARAM = "board-notice", "state"
PLANNED_HELP = "Chosen by the planner from the account's change rate, its priority and the rate budget"


def table_columns(cadences: list[str]) -> dict[str, Any]:
    return {
        "chosen": column.CheckboxColumn("", width=40, help="Select for the buttons below"),
        "login": column.TextColumn("Account", width=140, disabled=True, pinned=True),
        "state": column.TextColumn("State", width=72, disabled=True),
        "every": column.SelectboxColumn("Cadence", options=cadences, width=115, required=True),
        "planned": column.TextColumn("Planned", width=78, disabled=True, help=PLANNED_HELP),
        "changes": column.TextColumn("Changes", width=86, disabled=True, help="Estimated change rate"),
        "priority": column.NumberColumn("Priority", min_value=-3, max_value=3, step=1, width=90, required=True),
        "paused": column.CheckboxColumn("Paused", width=88),
        "due_at": timestamp_column("Next refresh", width=144, disabled=True),
        "checked_at": timestamp_column("Last refreshed", width=160, disabled=True),
        "note": column.TextColumn("Note", width=180, max_chars=tracking_commands.MAX_NOTE_LENGTH),
        "failures": column.NumberColumn(
            "Failed", format="localized", width=65, disabled=True, help="Consecutive failures"
        ),
        "repositories": column.NumberColumn("Repositories", format="localized", width=95, disabled=True),
        "stars": column.NumberColumn("Stars", format="localized", width=80, disabled=True),
        "added_by": column.TextColumn("Added by", width=110, disabled=True),
    }


def change_rate_label(changes_a_day: Any) -> str:
    """Return a change rate: `3.2 a day`, `1.4 a week`; a dash while it is unknown."""
    if pd.isna(changes_a_day):
        return UNKNOWN
    per_day = float(changes_a_day)
    if per_day >= 1000:
        return "all the time"
    if per_day >= 1:
        return f"{number(per_day) if per_day >= 10 else f'{per_day:.1f}'} a day"
    return f"{per_day * 7:.1f} a week" if per_day * 7 >= 0.1 else "rarely"


def cadence_reason(account: Mapping[Any, Any]) -> str:
    """Return why an account has its cadence, as a sentence."""
    name = f"**{escape_markdown(str(account['login']))}**"
    planned = duration(account["planned_hours"])
    changes = change_rate_label(account["changes_a_day"])
    if account["paused"]:
        return f"{name} is paused: it is not refreshed until it is resumed."
    if not pd.isna(account["every_hours"]):
        return f"{name} is refreshed every {duration(account['every_hours'])} because an admin set that cadence."
    if not account["is_planned"]:
        return f"{name} is refreshed every {planned}, the default cadence: too few refreshes to plan its own."
    weight = f" and its priority is {account['priority']:+d}" if account["priority"] else ""
    return f"{name} is refreshed every {planned}: it changes {changes}{weight}."


def show(_admin: Identity, counts: dict[str, int], now: datetime) -> None:
    if not counts["all"]:
        st.info(
            "Nothing is tracked yet. Add accounts above; they are first refreshed within a minute.",
            icon=":material/waving_hand:",
        )
        return
    if notice := st.session_state.pop(NOTICE_KEY, ""):
        st.success(notice, icon=":material/check_circle:")
    with st.container(horizontal=True, vertical_alignment="center", key="board-filters"):
        search = query_params.text_input(
            "Search",
            key="q",
            placeholder="Login, name or note",
            icon=":material/search:",
            label_visibility="collapsed",
            width=260,
        )
        state = choose_state(counts)
    found = tracking.tracked_table(now, search, "" if state == "all" else state, MAX_ROWS)
    if found.empty:
        st.info("No account matches this search.", icon=":material/search_off:")
        return
    show_editor(found)


def choose_state(counts: dict[str, int]) -> str:
    """Let the reader choose one of the states that occur. The URL holds the bare state, as the label's count changes."""
    query_params.show_invalid_parameters(query_params.invalid_choices(STATE_PARAM, STATES))
    requested = query_params.get(STATE_PARAM) or "all"
    chosen = st.pills(
        "State",
        [state for state in STATES if state in {"all", requested} or counts.get(state)],
        format_func=lambda state: f"{state} {number(counts.get(state, 0))}",
        default=requested if requested in STATES else "all",
        key="board-state",
        on_change=store_state_in_url,
        label_visibility="collapsed",
    )
    return chosen or "all"


@guard.callback(role="admin")
def store_state_in_url() -> None:
    """Store the chosen state in the URL."""
    chosen = st.session_state["board-state"]
    query_params.set_param(STATE_PARAM, "" if chosen == "all" else chosen)


def show_editor(found: DataFrame) -> None:
    """Draw the editor and the buttons for changed and selected rows."""
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
    columns = table_columns(cadences)
    version = st.session_state.setdefault("board-version", 0)
    edited = st.data_editor(
        rows[list(columns)],
        column_config=columns,
        hide_index=True,
        placeholder="—",
        height=table_height(len(rows), 560),
        # Streamlit keeps edits by row position: on another list they would apply to other accounts.
        key=f"board-{version}-{crc32(str(list(found['account_id'])).encode())}",
    )
    changes = edited_settings(rows, edited)
    selected = [int(row) for row, is_selected in enumerate(edited["chosen"]) if is_selected]
    show_action_buttons(found, changes, selected)
    for row in selected[:MAX_EXPLAINED]:
        st.caption(f":material/balance: {cadence_reason(found.iloc[row].to_dict())}")
    more = f" The first {number(MAX_ROWS)} are shown: search for the others." if len(found) == MAX_ROWS else ""
    st.caption(f"{number(len(found))} shown.{more}")


def edited_settings(before: DataFrame, after: DataFrame) -> dict[str, dict[str, Any]]:
    """Return the edits: login -> the changes that `core.tracking.accounts.update_tracking` takes."""
    changes: dict[str, dict[str, Any]] = {}
    for row, login in enumerate(before["login"]):
        for name in EDITABLE_COLUMNS:
            old, new = before[name].iloc[row], after[name].iloc[row]
            if (pd.isna(old) and pd.isna(new)) or (not pd.isna(old) and not pd.isna(new) and old == new):
                continue
            changes.setdefault(str(login), {})[name] = parse_setting(name, new)
    return changes


def parse_setting(name: str, value: Any) -> Any:
    match name:
        case "every":
            return parse_cadence_label(str(value))
        case "priority":
            return int(value)
        case "paused":
            return bool(value)
    return None if pd.isna(value) or not str(value).strip() else str(value)


def show_action_buttons(found: DataFrame, changes: dict[str, dict[str, Any]], selected: list[int]) -> None:
    logins = [str(found["login"].iloc[row]) for row in selected]
    ids = [int(found["account_id"].iloc[row]) for row in selected]
    is_disabled = not selected
    count = f" {number(len(selected))}" if selected else ""
    with st.container(horizontal=True, vertical_alignment="center", key="board-buttons"):
        st.button(
            f"Save {number(len(changes))} changed" if changes else "Save",
            type="primary", icon=":material/save:", disabled=not changes, on_click=save_changes, args=(changes,), key="save",
        )  # fmt: skip
        st.button(
            f"Refresh{count} now",
            icon=":material/sync:",
            disabled=is_disabled,
            on_click=refresh_now,
            args=(ids,),
            key="refresh",
        )
        pause = {login: {"paused": True} for login in logins}
        st.button(
            f"Pause{count}",
            icon=":material/pause:",
            disabled=is_disabled,
            on_click=save_changes,
            args=(pause,),
            key="pause",
        )
        resume = {login: {"paused": False} for login in logins}
        st.button(
            f"Resume{count}",
            icon=":material/play_arrow:",
            disabled=is_disabled,
            on_click=save_changes,
            args=(resume,),
            key="resume",
        )
        if st.button(f"Remove{count}", icon=":material/delete:", disabled=is_disabled, key="remove"):
            confirm_removal(logins)
        export.export_buttons(without_attrs(found).drop(columns=["account_id", "is_planned"]), "tracking")


@guard.callback(role="admin")
def save_changes(changes: dict[str, dict[str, Any]]) -> None:
    admin = current.require_identity("admin")
    with errors_as_notices():
        changed = write_rows(
            lambda connection: tracking_commands.update_tracking(
                connection, admin, changes, datetime.now(UTC), current.origin()
            )
        )
        _set_notice(f"{quantity(changed, 'account')} changed.")


@guard.callback(role="admin")
def refresh_now(account_ids: list[int]) -> None:
    admin = current.require_identity("admin")
    with errors_as_notices(), transaction() as connection:
        started = tracking_commands.start_refresh(connection, admin, account_ids, datetime.now(UTC), current.origin())
        if started is not None:
            waiting = (
                f" {number(started.queued_already)} {pluralize(started.queued_already, 'was', 'were')} already queued and moved to the front."
                if started.queued_already
                else ""
            )
            _set_notice(f"Ingestion {started.id}: {number(started.accounts)} queued.{waiting}")


@guard.dialog("Remove from tracking", role="admin")
def confirm_removal(logins: list[str]) -> None:
    names = ", ".join(escape_markdown(login) for login in logins[:MAX_NAMED])
    st.markdown(
        f"**{quantity(len(logins), 'account')}** will no longer be refreshed: {names}{' …' if len(logins) > MAX_NAMED else ''}"
    )
    st.caption("Their history stays, and continues if they are added again.")
    if st.button("Remove", type="primary", key="remove-sure"):
        admin = current.require_identity("admin")
        with errors_as_notices():
            stopped = write_rows(
                lambda connection: tracking_commands.stop_tracking(connection, admin, logins, current.origin())
            )
            _set_notice(f"{quantity(stopped, 'account')} no longer tracked.")
        st.rerun()


def _set_notice(notice: str) -> None:
    """Show *notice* in the next run, above an editor without unsaved edits."""
    st.session_state[NOTICE_KEY] = notice
    st.session_state["board-version"] = st.session_state.get("board-version", 0) + 1
