"""Webhooks, for admins: who outside is told of alerts, how to know that it was us, and what came of telling."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import streamlit as st
from pandas import DataFrame
from streamlit import column_config as column

from core.alerts import commands as alert_commands
from core.alerts.rules import MAX_NAME_LENGTH, MAX_URL_LENGTH, WebhookFormat
from core.auth.identity import Identity
from core.db.engine import transaction
from core.queries import alerts
from core.settings import settings
from core.wording import time_ago
from pages.components.columns import TIMESTAMP_COLUMN
from pages.components.markdown import escape_markdown as as_text
from pages.components.table import without_attrs
from pages.sections.alert_list import KIND_BY_TITLE, kind_title
from pages.session import current
from pages.session.common import errors_as_notices

SELECTED_PARAM, LISTED_KEY, NOTICE_KEY, LAST_TEST_KEY = "webhook", "webhooks-listed", "webhooks-said", "webhook-tried"
RERUN_EVERY = "1s"
FORMATS: dict[str, WebhookFormat] = {"JSON": "json", "Slack": "slack"}
COLUMNS = {
    "name": column.TextColumn("Name", width=120),
    "host": column.TextColumn("Host", width=160, help="The rest of its address is a secret"),
    "form": column.TextColumn("Format", width=70),
    "wants": column.TextColumn("Is told of", width=190),
    "enabled": column.CheckboxColumn("On", width=50),
    "delivered": column.NumberColumn("Delivered", width=80, help="In thirty days"),
    "failed": column.NumberColumn("Failed", width=65, help="In thirty days"),
    "pending": column.NumberColumn("Pending", width=70),
    "last_at": TIMESTAMP_COLUMN | {"label": "Last", "width": 130},
}
DELIVERY_COLUMNS = {
    "created_at": TIMESTAMP_COLUMN | {"label": "When", "width": 130},
    "told": column.TextColumn("Told", width=240),
    "state": column.TextColumn("State", width=85),
    "attempts": column.NumberColumn("Tries", width=60),
    "http_status": column.NumberColumn("Answer", format="%d", width=70, help="HTTP status"),
    "error": column.TextColumn("Why not", width=360),
}
VERIFICATION_HELP = """
Each request carries `x-almanac-timestamp`, `x-almanac-delivery` and `x-almanac-signature`. The signature is
HMAC-SHA256 of the timestamp, a dot and the body, under this key. Refuse what differs or is older than five minutes;
a delivery number that came before is a repetition.
"""
VERIFICATION_EXAMPLE = """import hashlib, hmac

def is_from_almanac(key: str, headers: dict[str, str], body: bytes) -> bool:
    signed = headers["x-almanac-timestamp"].encode() + b"." + body
    digest = hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(f"sha256={digest}", headers["x-almanac-signature"])
"""


def show(_admin: Identity) -> None:
    if said := st.session_state.pop(NOTICE_KEY, ""):
        st.success(said, icon=":material/check_circle:")
    show_new_key()
    found = alerts.webhooks(datetime.now(UTC))
    if found.empty:
        st.info("Nobody outside is told. Add a webhook below.", icon=":material/webhook:")
    else:
        show_table(found)
        chosen = found[found["id"].astype(str) == st.query_params.get(SELECTED_PARAM, "")]
        if not chosen.empty:
            show_webhook(chosen.iloc[0].to_dict())
    with st.expander("Add a webhook", icon=":material/add_link:", expanded=found.empty):
        show_add_form()


def show_new_key() -> None:
    """The key of a webhook that was just made, until it was copied or the page is left."""
    made = st.session_state.get(current.WEBHOOK_KEY_SHOWN_ONCE)
    if made is None:
        return
    name, key = made
    with st.container(border=True, key="webhook-key"):
        st.markdown(f"**{as_text(name)}** signs what it is sent with this key, which is shown only now:")
        st.code(key, language=None, wrap_lines=True)
        with st.expander("How the receiver knows that it was us", icon=":material/verified_user:"):
            st.markdown(VERIFICATION_HELP)
            st.code(VERIFICATION_EXAMPLE, language="python")
        st.button("I have copied it", icon=":material/check:", on_click=forget_key, key="webhook-key-copied")


def forget_key() -> None:
    st.session_state.pop(current.WEBHOOK_KEY_SHOWN_ONCE, None)


def show_table(found: DataFrame) -> None:
    ids = st.session_state[LISTED_KEY] = [str(one) for one in found["id"]]
    at = [place for place, one in enumerate(ids) if one == st.query_params.get(SELECTED_PARAM, "")]
    shown = without_attrs(found).assign(
        form=[next(name for name, form in FORMATS.items() if form == one) for one in found["format"]],
        wants=[kinds_label(kinds) for kinds in found["kinds"]],
    )
    st.dataframe(
        shown[list(COLUMNS)],
        column_config=COLUMNS,
        hide_index=True,
        placeholder="—",
        height=min(300, 35 * (len(shown) + 1) + 3),
        on_select=store_selection_in_url,
        selection_mode="single-row",
        selection_default={"selection": {"rows": at}} if at else None,
        alt="Webhooks by name; choose one to test, switch or remove it",
        key="webhooks-table",
    )
    st.caption("Choose one to test it, switch it off or remove it.")


def kinds_label(kinds: Sequence[str] | None) -> str:
    """What a webhook is told of."""
    return ", ".join(kind_title(kind) for kind in kinds) if isinstance(kinds, Sequence) and kinds else "everything"


def store_selection_in_url() -> None:
    """Put the chosen one into the address: a link shows the same."""
    rows = st.session_state["webhooks-table"]["selection"]["rows"]
    listed = st.session_state.get(LISTED_KEY, [])
    if rows and rows[0] < len(listed):
        st.query_params[SELECTED_PARAM] = listed[rows[0]]
    else:
        st.query_params.pop(SELECTED_PARAM, None)


def show_webhook(webhook: Mapping[Any, Any]) -> None:
    """One webhook: what can be done with it, what came of the last try, and what it was told."""
    webhook_id, enabled = int(webhook["id"]), bool(webhook["enabled"])
    with st.container(border=True, key="webhook"):
        st.markdown(f"**{as_text(webhook['name'])}** at {as_text(webhook['host'])}")
        with st.container(horizontal=True):
            st.button(
                "Send a test", type="primary", icon=":material/send:", disabled=not enabled,
                on_click=send_test, args=(webhook_id,), key="webhook-test",
                help=None if enabled else "It is off, so nothing is sent",
            )  # fmt: skip
            st.button(
                "Switch off" if enabled else "Switch on",
                icon=":material/notifications_off:" if enabled else ":material/notifications_active:",
                on_click=set_enabled, args=(webhook_id, not enabled), key="webhook-switch",
            )  # fmt: skip
            if st.button("Remove", icon=":material/delete:", key="webhook-remove"):
                confirm_removal(webhook_id, str(webhook["name"]))
        tried = st.session_state.get(LAST_TEST_KEY)
        if tried and tried[0] == webhook_id:
            show_test_result(tried[1])
        show_deliveries(webhook_id)


def show_test_result(delivery_id: int) -> None:
    """What came of the test so far."""
    found = alerts.delivery(delivery_id)
    if found is None:
        return
    match found.state:
        case "pending":
            show_test_progress(delivery_id)
        case "delivered":
            st.success(f"Delivered: it answered {found.http_status}.", icon=":material/check_circle:")
        case "failed":
            st.warning(f"Not delivered. {found.error}.", icon=":material/error:")


@st.fragment(run_every=RERUN_EVERY)
def show_test_progress(delivery_id: int) -> None:
    """Until the test has come to something; then the page runs again."""
    current.require_identity("admin")
    found = alerts.delivery(delivery_id)
    if found is None or found.state != "pending":
        st.rerun()
    if found.attempts:
        st.info(f"{found.error}; it is tried again by itself.", icon=":material/history:")
    else:
        since = time_ago(found.created_at, datetime.now(UTC))
        st.info(f"Waiting for a worker to send it, asked for {since} …", icon=":material/hourglass_top:")


def show_deliveries(webhook_id: int) -> None:
    """The last deliveries."""
    found = alerts.deliveries(webhook_id)
    if found.empty:
        st.caption("It was told nothing yet.")
        return
    said = [
        "a test" if event == "test" else f"{'over: ' if event == 'ended' else ''}{message}"
        for event, message in zip(found["event"], found["message"], strict=True)
    ]
    st.dataframe(
        without_attrs(found).assign(told=said)[list(DELIVERY_COLUMNS)],
        column_config=DELIVERY_COLUMNS,
        hide_index=True,
        placeholder="—",
        height=min(300, 35 * (len(found) + 1) + 3),
        alt="What it was told last, newest first",
        key="deliveries-table",
    )


def show_add_form() -> None:
    rule = "Public addresses, https" if not settings().webhook_private_addresses else "http or https"
    with st.form("new-webhook", border=False, clear_on_submit=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            name = st.text_input("Name", max_chars=MAX_NAME_LENGTH, placeholder="Team chat", width=200)
            url = st.text_input(
                "Address", max_chars=MAX_URL_LENGTH, placeholder="https://example.com/hook", width=420,
                help=f"{rule}. It is kept secret: afterwards only its host is shown", autocomplete="off",
            )  # fmt: skip
            form = st.selectbox("Format", list(FORMATS), width=120)
        kinds = st.multiselect("Is told of", list(KIND_BY_TITLE), placeholder="Everything")
        if st.form_submit_button("Add", type="primary", icon=":material/add:"):
            create_webhook(name, url, FORMATS[form], [KIND_BY_TITLE[kind] for kind in kinds])


def create_webhook(name: str, url: str, form: WebhookFormat, kinds: Sequence[str]) -> None:
    admin = current.require_identity("admin")
    made = None
    with errors_as_notices(), transaction() as connection:
        made = alert_commands.add_webhook(connection, admin, name, url, form, kinds, current.origin())
    if made is not None:
        st.session_state[current.WEBHOOK_KEY_SHOWN_ONCE] = (name.strip(), made.key)
        st.query_params[SELECTED_PARAM] = str(made.id)
        st.rerun()


def send_test(webhook_id: int) -> None:
    admin = current.require_identity("admin")
    with errors_as_notices(), transaction() as connection:
        st.session_state[LAST_TEST_KEY] = (
            webhook_id,
            alert_commands.send_test_delivery(connection, admin, webhook_id, current.origin()),
        )


def set_enabled(webhook_id: int, enabled: bool) -> None:
    admin = current.require_identity("admin")
    with errors_as_notices(), transaction() as connection:
        alert_commands.set_webhook_enabled(connection, admin, webhook_id, current.origin(), enabled=enabled)
        st.session_state[NOTICE_KEY] = "It is told again." if enabled else "It is told nothing until it is switched on."


@st.dialog("Remove this webhook")
def confirm_removal(webhook_id: int, name: str) -> None:
    st.markdown(f"**{as_text(name)}** is told nothing any more. Its key dies with it.")
    if st.button("Remove", type="primary", key="webhook-remove-sure"):
        remove_webhook(webhook_id)


def remove_webhook(webhook_id: int) -> None:
    admin = current.require_identity("admin")
    removed = False
    with errors_as_notices(), transaction() as connection:
        alert_commands.remove_webhook(connection, admin, webhook_id, current.origin())
        removed = True
    if removed:
        st.query_params.pop(SELECTED_PARAM, None)
        st.session_state.pop(LAST_TEST_KEY, None)
        st.session_state[NOTICE_KEY] = "Removed."
        st.rerun()
