"""The rules: what is watched, for everybody to read; admins switch them on and off, set them, add and remove them."""

from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

import pandas as pd
import streamlit as st
from annotated_types import Ge, Gt, Le, Lt
from pandas import DataFrame
from pydantic.fields import FieldInfo
from streamlit import column_config as column

from core.alerts import commands as alert_commands
from core.alerts.rules import KINDS
from core.auth.identity import Identity
from core.db.engine import transaction
from core.queries import alerts
from pages.components.cell import MOMENT, plain
from pages.components.format import number, percent
from pages.sections.alert_list import TITLES, title_of
from pages.session import current
from pages.session.common import plain as as_text
from pages.session.common import refusals_told

CHOSEN, LISTED, SAID = "rule", "rules-listed", "rules-said"
COLUMNS = {
    "what": column.TextColumn("Rule", width=140),
    "told": column.TextColumn("Noticed when", width=380),
    "account": column.TextColumn("Of", width=120),
    "enabled": column.CheckboxColumn("On", width=50),
    "raised": column.NumberColumn("Noticed", format="localized", width=70, help="How often so far"),
    "last_at": MOMENT | {"label": "Last", "width": 130},
}


def sentence(kind: str, settings: Mapping[str, Any]) -> str:
    """When a rule notices something, with its thresholds."""
    match kind:
        case "stars_jumped":
            span = "a day" if settings["days"] == 1 else f"{settings['days']} days"
            return (
                f"A repository gains {number(settings['gained'])} stars and {percent(settings['share'])} within {span}"
            )
        case "freshness_missed":
            return f"Fewer than {percent(settings['share'])} of the accounts were looked at in time"
        case "budget_short":
            return f"Less than {percent(settings['share'])} of a token's budget is left"
        case "ingestion_failing":
            return f"{number(settings['runs'])} runs in a row stored nothing"
    return KINDS[kind].sentence.rstrip(".") if kind in KINDS else "Of another version of Almanac"


def show(reader: Identity) -> None:
    """The table, and for admins what can be changed about it."""
    if said := st.session_state.pop(SAID, ""):
        st.success(said, icon=":material/check_circle:")
    found = alerts.rules()
    if found.empty:
        st.info("Nothing is watched.", icon=":material/notifications_off:")
    else:
        table(found, choosable=reader.is_admin)
    if not reader.is_admin:
        st.caption("Admins decide what is watched.")
        return
    chosen = found[found["id"].astype(str) == st.query_params.get(CHOSEN, "")]
    if not chosen.empty:
        change(chosen.iloc[0].to_dict())
    with st.expander("Add a rule", icon=":material/add_alert:"):
        add()


def table(found: DataFrame, *, choosable: bool) -> None:
    ids = st.session_state[LISTED] = [str(one) for one in found["id"]]
    at = [place for place, one in enumerate(ids) if one == st.query_params.get(CHOSEN, "")]
    shown = plain(found).assign(
        what=[title_of(kind) for kind in found["kind"]],
        told=[sentence(kind, given) for kind, given in zip(found["kind"], found["settings"], strict=True)],
        account=found["account"].fillna("all tracked"),
    )
    how: dict[str, Any] = {"on_select": choose_row, "selection_mode": "single-row"} if choosable else {}
    st.dataframe(
        shown[list(COLUMNS)],
        column_config=COLUMNS,
        hide_index=True,
        placeholder="—",
        height=min(430, 35 * (len(shown) + 1) + 3),
        selection_default={"selection": {"rows": at}} if at and choosable else None,
        alt="What is watched",
        key="rules-table",
        **how,
    )
    if choosable:
        st.caption("Choose a rule to change it.")


def choose_row() -> None:
    """Put the chosen one into the address: a link shows the same."""
    rows = st.session_state["rules-table"]["selection"]["rows"]
    listed = st.session_state.get(LISTED, [])
    if rows and rows[0] < len(listed):
        st.query_params[CHOSEN] = listed[rows[0]]
    else:
        st.query_params.pop(CHOSEN, None)


def change(rule: Mapping[Any, Any]) -> None:
    """The thresholds of one rule, whether it is on, and the way to remove it."""
    rule_id = int(rule["id"])
    who = "" if pd.isna(rule["account"]) else f" of {as_text(rule['account'])}"
    with st.container(border=True, key="rule"):
        st.markdown(f"**{title_of(rule['kind'])}**{who}")
        with st.form(f"rule-{rule_id}", border=False):
            with st.container(horizontal=True, vertical_alignment="bottom"):
                given = thresholds(rule["kind"], rule["settings"], f"rule-{rule_id}")
            enabled = st.toggle("On", bool(rule["enabled"]), key=f"rule-on-{rule_id}")
            if st.form_submit_button("Save", type="primary", icon=":material/save:"):
                save(rule_id, given, enabled)
        if st.button("Remove", icon=":material/delete:", key="rule-remove"):
            confirm(rule_id, title_of(rule["kind"]), int(rule["raised"]))


def add() -> None:
    """A new rule: its kind first, since the thresholds go by it."""
    title = st.selectbox("What to watch", list(TITLES), key="new-rule-kind", width=260)
    kind = TITLES[title]
    st.caption(KINDS[kind].sentence)
    with st.form("new-rule", border=False, clear_on_submit=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            given = thresholds(kind, {}, f"new-{kind}")
            login = ""
            if not KINDS[kind].lasts:
                login = st.text_input(
                    "Of one account", placeholder="All that are tracked", width=220, key="new-rule-of"
                )
        if st.form_submit_button("Add", type="primary", icon=":material/add:"):
            make(kind, given, login)


def thresholds(kind: str, held: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A field for each setting of a kind, as its model describes it."""
    if kind not in KINDS:
        return {}
    model = KINDS[kind].settings
    return {
        name: field(name, about, held.get(name, about.default), f"{key}-{name}")
        for name, about in model.model_fields.items()
    }


def field(name: str, about: FieldInfo, value: Any, key: str) -> Any:
    """One setting: a share is typed in percent."""
    label = (about.description or name).capitalize()
    if get_origin(about.annotation) is Literal:
        options = list(get_args(about.annotation))
        return st.selectbox(label, options, index=options.index(value), key=key, width=180)
    if name == "share":
        least, most = bounds(about, 100.0)
        return st.number_input(f"{label}, %", least, most, float(value) * 100, 1.0, key=key, width=260) / 100
    low, high = bounds(about, 1)
    return st.number_input(label, low, high, int(value), 1, key=key, width=220)


def bounds(about: FieldInfo, unit: Any) -> tuple[Any, Any]:
    """The least and the most that a field takes; what it must stay beyond is told when it is saved."""
    least = next(
        (one.ge if isinstance(one, Ge) else one.gt for one in about.metadata if isinstance(one, Ge | Gt)), None
    )
    most = next((one.le if isinstance(one, Le) else one.lt for one in about.metadata if isinstance(one, Le | Lt)), None)
    return (None if least is None else least * unit), (None if most is None else most * unit)


def save(rule_id: int, given: Mapping[str, Any], enabled: bool) -> None:
    admin = current.required("admin")
    saved = False
    with refusals_told(), transaction() as connection:
        alert_commands.change_rule(connection, admin, rule_id, given, current.origin(), enabled=enabled)
        saved = True
    if saved:
        done("Saved. It holds from the next look on.")


def make(kind: str, given: Mapping[str, Any], login: str) -> None:
    admin = current.required("admin")
    made = 0
    with refusals_told(), transaction() as connection:
        made = alert_commands.add_rule(connection, admin, kind, given, login, current.origin())
    if made:
        done(f"{title_of(kind)} is watched from now on.")


@st.dialog("Remove this rule")
def confirm(rule_id: int, title: str, raised: int) -> None:
    st.markdown(
        f"**{title}** is not watched any more; the {number(raised)} times that it noticed something go with it."
    )
    st.caption("To keep them, switch it off instead.")
    if st.button("Remove", type="primary", key="rule-remove-sure"):
        remove(rule_id)


def remove(rule_id: int) -> None:
    admin = current.required("admin")
    removed = False
    with refusals_told(), transaction() as connection:
        alert_commands.remove_rule(connection, admin, rule_id, current.origin())
        removed = True
    if removed:
        st.query_params.pop(CHOSEN, None)
        done("Removed.")


def done(said: str) -> None:
    """Tell in the next run, over a table that is up to date."""
    st.session_state[SAID] = said
    st.rerun()
