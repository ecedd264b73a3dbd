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
from core.alerts.rules import RULE_KINDS
from core.auth.identity import Identity
from core.db.engine import transaction
from core.queries import alerts
from pages.components.columns import TIMESTAMP_COLUMN
from pages.components.format import number, percent
from pages.components.markdown import escape_markdown as as_text
from pages.components.table import without_attrs
from pages.sections.alert_list import KIND_BY_TITLE, kind_title
from pages.session import current
from pages.session.common import errors_as_notices

SELECTED_PARAM, LISTED_KEY, NOTICE_KEY = "rule", "rules-listed", "rules-said"
COLUMNS = {
    "what": column.TextColumn("Rule", width=140),
    "told": column.TextColumn("Noticed when", width=380),
    "account": column.TextColumn("Of", width=120),
    "enabled": column.CheckboxColumn("On", width=50),
    "raised": column.NumberColumn("Noticed", format="localized", width=70, help="How often so far"),
    "last_at": TIMESTAMP_COLUMN | {"label": "Last", "width": 130},
}


def rule_sentence(kind: str, settings: Mapping[str, Any]) -> str:
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
    return RULE_KINDS[kind].sentence.rstrip(".") if kind in RULE_KINDS else "Of another version of Almanac"


def show(reader: Identity) -> None:
    """The table, and for admins what can be changed about it."""
    if said := st.session_state.pop(NOTICE_KEY, ""):
        st.success(said, icon=":material/check_circle:")
    found = alerts.rules()
    if found.empty:
        st.info("Nothing is watched.", icon=":material/notifications_off:")
    else:
        show_table(found, choosable=reader.is_admin)
    if not reader.is_admin:
        st.caption("Admins decide what is watched.")
        return
    chosen = found[found["id"].astype(str) == st.query_params.get(SELECTED_PARAM, "")]
    if not chosen.empty:
        show_rule_form(chosen.iloc[0].to_dict())
    with st.expander("Add a rule", icon=":material/add_alert:"):
        show_add_form()


def show_table(found: DataFrame, *, choosable: bool) -> None:
    ids = st.session_state[LISTED_KEY] = [str(one) for one in found["id"]]
    at = [place for place, one in enumerate(ids) if one == st.query_params.get(SELECTED_PARAM, "")]
    shown = without_attrs(found).assign(
        what=[kind_title(kind) for kind in found["kind"]],
        told=[rule_sentence(kind, given) for kind, given in zip(found["kind"], found["settings"], strict=True)],
        account=found["account"].fillna("all tracked"),
    )
    how: dict[str, Any] = {"on_select": store_selection_in_url, "selection_mode": "single-row"} if choosable else {}
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


def store_selection_in_url() -> None:
    """Put the chosen one into the address: a link shows the same."""
    rows = st.session_state["rules-table"]["selection"]["rows"]
    listed = st.session_state.get(LISTED_KEY, [])
    if rows and rows[0] < len(listed):
        st.query_params[SELECTED_PARAM] = listed[rows[0]]
    else:
        st.query_params.pop(SELECTED_PARAM, None)


def show_rule_form(rule: Mapping[Any, Any]) -> None:
    """The thresholds of one rule, whether it is on, and the way to remove it."""
    rule_id = int(rule["id"])
    who = "" if pd.isna(rule["account"]) else f" of {as_text(rule['account'])}"
    with st.container(border=True, key="rule"):
        st.markdown(f"**{kind_title(rule['kind'])}**{who}")
        with st.form(f"rule-{rule_id}", border=False):
            with st.container(horizontal=True, vertical_alignment="bottom"):
                given = threshold_fields(rule["kind"], rule["settings"], f"rule-{rule_id}")
            enabled = st.toggle("On", bool(rule["enabled"]), key=f"rule-on-{rule_id}")
            if st.form_submit_button("Save", type="primary", icon=":material/save:"):
                save_rule(rule_id, given, enabled)
        if st.button("Remove", icon=":material/delete:", key="rule-remove"):
            confirm_removal(rule_id, kind_title(rule["kind"]), int(rule["raised"]))


def show_add_form() -> None:
    """A new rule: its kind first, since the thresholds go by it."""
    title = st.selectbox("What to watch", list(KIND_BY_TITLE), key="new-rule-kind", width=260)
    kind = KIND_BY_TITLE[title]
    st.caption(RULE_KINDS[kind].sentence)
    with st.form("new-rule", border=False, clear_on_submit=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            given = threshold_fields(kind, {}, f"new-{kind}")
            login = ""
            if not RULE_KINDS[kind].is_state:
                login = st.text_input(
                    "Of one account", placeholder="All that are tracked", width=220, key="new-rule-of"
                )
        if st.form_submit_button("Add", type="primary", icon=":material/add:"):
            create_rule(kind, given, login)


def threshold_fields(kind: str, held: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A field for each setting of a kind, as its model describes it."""
    if kind not in RULE_KINDS:
        return {}
    model = RULE_KINDS[kind].settings
    return {
        name: threshold_field(name, about, held.get(name, about.default), f"{key}-{name}")
        for name, about in model.model_fields.items()
    }


def threshold_field(name: str, about: FieldInfo, value: Any, key: str) -> Any:
    """One setting: a share is typed in percent."""
    label = (about.description or name).capitalize()
    if get_origin(about.annotation) is Literal:
        options = list(get_args(about.annotation))
        return st.selectbox(label, options, index=options.index(value), key=key, width=180)
    if name == "share":
        least, most = field_bounds(about, 100.0)
        return st.number_input(f"{label}, %", least, most, float(value) * 100, 1.0, key=key, width=260) / 100
    low, high = field_bounds(about, 1)
    return st.number_input(label, low, high, int(value), 1, key=key, width=220)


def field_bounds(about: FieldInfo, unit: Any) -> tuple[Any, Any]:
    """The least and the most that a field takes; what it must stay beyond is told when it is saved."""
    least = next(
        (one.ge if isinstance(one, Ge) else one.gt for one in about.metadata if isinstance(one, Ge | Gt)), None
    )
    most = next((one.le if isinstance(one, Le) else one.lt for one in about.metadata if isinstance(one, Le | Lt)), None)
    return (None if least is None else least * unit), (None if most is None else most * unit)


def save_rule(rule_id: int, given: Mapping[str, Any], enabled: bool) -> None:
    admin = current.require_identity("admin")
    saved = False
    with errors_as_notices(), transaction() as connection:
        alert_commands.change_rule(connection, admin, rule_id, given, current.origin(), enabled=enabled)
        saved = True
    if saved:
        rerun_with_notice("Saved. It holds from the next look on.")


def create_rule(kind: str, given: Mapping[str, Any], login: str) -> None:
    admin = current.require_identity("admin")
    made = 0
    with errors_as_notices(), transaction() as connection:
        made = alert_commands.add_rule(connection, admin, kind, given, login, current.origin())
    if made:
        rerun_with_notice(f"{kind_title(kind)} is watched from now on.")


@st.dialog("Remove this rule")
def confirm_removal(rule_id: int, title: str, raised: int) -> None:
    st.markdown(
        f"**{title}** is not watched any more; the {number(raised)} times that it noticed something go with it."
    )
    st.caption("To keep them, switch it off instead.")
    if st.button("Remove", type="primary", key="rule-remove-sure"):
        remove_rule(rule_id)


def remove_rule(rule_id: int) -> None:
    admin = current.require_identity("admin")
    removed = False
    with errors_as_notices(), transaction() as connection:
        alert_commands.remove_rule(connection, admin, rule_id, current.origin())
        removed = True
    if removed:
        st.query_params.pop(SELECTED_PARAM, None)
        rerun_with_notice("Removed.")


def rerun_with_notice(said: str) -> None:
    """Tell in the next run, over a table that is up to date."""
    st.session_state[NOTICE_KEY] = said
    st.rerun()
