"""Alert rules: everyone reads them, admins change, switch, add and delete them."""

from collections.abc import Callable, Mapping
from datetime import timedelta
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
from core.db.engine import write_rows
from core.queries import alerts
from core.wording import quantity, window
from pages.components import query_params
from pages.components.alert_list import KIND_BY_TITLE, kind_title
from pages.components.columns import timestamp_column
from pages.components.format import byte_size, percent
from pages.components.markdown import escape_markdown
from pages.components.notices import errors_as_notices
from pages.components.table import choose_row, show_table
from pages.session import current, guard

SELECTED_PARAM, NOTICE_KEY = "rule", "rules-notice"
COLUMNS = {
    "what": column.TextColumn("Rule", width=140),
    "condition": column.TextColumn("Condition", width=380),
    "account": column.TextColumn("Account", width=120),
    "enabled": column.CheckboxColumn("On", width=50),
    "raised": column.NumberColumn("Alerts", format="localized", width=70, help="Raised so far"),
    "last_at": timestamp_column("Last", width=130),
}


def rule_sentence(kind: str, settings: Mapping[str, Any]) -> str:
    """Return the condition under which a rule raises an alert, with its thresholds."""
    if kind not in RULE_KINDS:
        return "A rule of another version of Almanac"
    if kind in CONDITIONS:
        return CONDITIONS[kind](settings)
    return RULE_KINDS[kind].sentence.rstrip(".")


def stars_and_share(stars: int, settings: Mapping[str, Any]) -> str:
    return (
        f"{quantity(stars, 'star')} and {percent(settings['share'])} within {window(timedelta(days=settings['days']))}"
    )


# Conditions of the kinds of rules that have thresholds.
CONDITIONS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "stars_jumped": lambda at: f"A repository gains {stars_and_share(at['gained'], at)}",
    "stars_dropped": lambda at: f"A repository loses {stars_and_share(at['lost'], at)}, or between two refreshes",
    "freshness_missed": lambda at: f"Fewer than {percent(at['share'])} of the accounts were refreshed on time",
    "budget_short": lambda at: f"Less than {percent(at['share'])} of a token's rate budget is left",
    "token_expiring": lambda at: f"A token expires within {window(timedelta(days=at['days']))}, or has expired",
    "ingestion_failing": lambda at: f"{quantity(at['runs'], 'run')} in a row stored nothing",
    "disk_low": lambda at: (
        f"Less than {byte_size(at['megabytes'] * 10**6)} is left on the disk of the embedded Postgres"
    ),
    "job_stuck": lambda at: f"A job has been running for more than {quantity(at['hours'], 'hour')}",
}


def show(identity: Identity) -> None:
    """Show the rules, and for admins the forms that change them."""
    if notice := st.session_state.pop(NOTICE_KEY, ""):
        st.success(notice, icon=":material/check_circle:")
    found = alerts.rules()
    if found.empty:
        st.info("There are no alert rules.", icon=":material/notifications_off:")
    else:
        show_rules(found, is_selectable=identity.is_admin)
    if not identity.is_admin:
        st.caption("Admins manage the rules.")
        return
    query_params.show_invalid_parameters(query_params.invalid_choices(SELECTED_PARAM, set(found["id"].astype(str))))
    selected = found[found["id"].astype(str) == query_params.get(SELECTED_PARAM)]
    if not selected.empty:
        show_rule_form(selected.iloc[0].to_dict())
    with st.expander("Add a rule", icon=":material/add_alert:"):
        show_add_form(len(found))


def show_rules(found: DataFrame, *, is_selectable: bool) -> None:
    rows = found.assign(
        what=[kind_title(kind) for kind in found["kind"]],
        condition=[rule_sentence(*rule) for rule in zip(found["kind"], found["settings"], strict=True)],
        account=found["account"].fillna("all tracked"),
    )
    alt = "Alert rules"
    if not is_selectable:
        show_table(rows, COLUMNS, alt=alt, key="rules-table")
        return
    choose_row(rows, COLUMNS, ids=found["id"], param=SELECTED_PARAM, alt=alt, key="rules-table")
    st.caption("Select a rule to change it.")


def show_rule_form(rule: Mapping[Any, Any]) -> None:
    """Show the form of one rule: thresholds, on or off, and deletion."""
    rule_id = int(rule["id"])
    of_account = "" if pd.isna(rule["account"]) else f" of {escape_markdown(rule['account'])}"
    with st.container(border=True, key="rule"):
        st.markdown(f"**{kind_title(rule['kind'])}**{of_account}")
        with st.form(f"rule-{rule_id}", border=False):
            with st.container(horizontal=True, vertical_alignment="bottom"):
                values = threshold_fields(rule["kind"], rule["settings"], f"rule-{rule_id}")
            enabled = st.toggle("On", bool(rule["enabled"]), key=f"rule-on-{rule_id}")
            if st.form_submit_button("Save", type="primary", icon=":material/save:"):
                save_rule(rule_id, values, enabled)
        if st.button("Delete", icon=":material/delete:", key="rule-remove"):
            confirm_removal(rule_id, kind_title(rule["kind"]), int(rule["raised"]))


def show_add_form(stored: int) -> None:
    """Show the form of a new rule: first its kind, on which the thresholds depend.

    With each of *stored* rules its account is another, empty field.
    """
    title = st.selectbox("Kind", list(KIND_BY_TITLE), key="new-rule-kind", width=260)
    kind = KIND_BY_TITLE[title]
    st.caption(RULE_KINDS[kind].sentence)
    with st.form("new-rule", border=False, clear_on_submit=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            values = threshold_fields(kind, {}, f"new-{kind}")
            login = ""
            if not RULE_KINDS[kind].is_state:
                login = st.text_input(
                    "Account", placeholder="All tracked accounts", width=220, key=f"new-rule-of-{stored}"
                )
        if st.form_submit_button("Add", type="primary", icon=":material/add:"):
            create_rule(kind, values, login)


def threshold_fields(kind: str, stored: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Draw a field for each setting of *kind*, as its model describes it, and return the values entered."""
    if kind not in RULE_KINDS:
        return {}
    model = RULE_KINDS[kind].settings
    return {
        name: threshold_field(name, field, stored.get(name, field.default), f"{key}-{name}")
        for name, field in model.model_fields.items()
    }


def threshold_field(name: str, field: FieldInfo, value: Any, key: str) -> Any:
    """Draw the field of one setting and return its value; a share is entered in percent."""
    label = (field.description or name).capitalize()
    if get_origin(field.annotation) is Literal:
        options = list(get_args(field.annotation))
        return st.selectbox(label, options, index=options.index(value), key=key, width=180)
    if name == "share":
        least, most = field_bounds(field, 100.0)
        return st.number_input(f"{label}, %", least, most, float(value) * 100, 1.0, key=key, width=260) / 100
    low, high = field_bounds(field, 1)
    return st.number_input(label, low, high, int(value), 1, key=key, width=220)


def field_bounds(field: FieldInfo, unit: Any) -> tuple[Any, Any]:
    """Return minimum and maximum of the input, times *unit*; exclusive bounds are checked when the rule is saved."""
    least = next(
        (one.ge if isinstance(one, Ge) else one.gt for one in field.metadata if isinstance(one, Ge | Gt)), None
    )
    most = next((one.le if isinstance(one, Le) else one.lt for one in field.metadata if isinstance(one, Le | Lt)), None)
    return (None if least is None else least * unit), (None if most is None else most * unit)


def save_rule(rule_id: int, values: Mapping[str, Any], enabled: bool) -> None:
    admin = current.require_identity("admin")
    saved = False
    with errors_as_notices():
        write_rows(
            lambda connection: alert_commands.change_rule(
                connection, admin, rule_id, values, current.origin(), enabled=enabled
            )
        )
        saved = True
    if saved:
        rerun_with_notice("Saved. It applies from the next check on.")


def create_rule(kind: str, values: Mapping[str, Any], login: str) -> None:
    admin = current.require_identity("admin")
    rule_id = 0
    with errors_as_notices():
        rule_id = write_rows(
            lambda connection: alert_commands.add_rule(connection, admin, kind, values, login, current.origin())
        )
    if rule_id:
        rerun_with_notice(f"Rule {kind_title(kind)} added.")


@guard.dialog("Delete this rule", role="admin")
def confirm_removal(rule_id: int, title: str, raised: int) -> None:
    st.markdown(removal_sentence(title, raised))
    st.caption("To keep its alerts, switch the rule off instead.")
    if st.button("Delete", type="primary", key="rule-remove-sure"):
        remove_rule(rule_id)


def removal_sentence(title: str, raised: int) -> str:
    """Ask whether to delete a rule, and say what becomes of the alerts that it raised."""
    if not raised:
        return f"Delete **{title}**? It has raised no alert."
    return (
        f"Delete **{title}**? The {quantity(raised, 'alert')} it raised {'is' if raised == 1 else 'are'} deleted too."
    )


def remove_rule(rule_id: int) -> None:
    admin = current.require_identity("admin")
    is_deleted = False
    with errors_as_notices():
        write_rows(lambda connection: alert_commands.remove_rule(connection, admin, rule_id, current.origin()))
        is_deleted = True
    if is_deleted:
        query_params.set_param(SELECTED_PARAM, "")
        rerun_with_notice("Rule deleted.")


def rerun_with_notice(notice: str) -> None:
    """Run the page again, which then shows *notice* above the updated table."""
    st.session_state[NOTICE_KEY] = notice
    st.rerun()
