"""Webhooks, for admins: endpoints that are notified of alerts, how they verify the sender, and their deliveries."""

from collections.abc import Collection, Mapping, Sequence
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
from pages.components import query_params
from pages.components.alert_list import KIND_BY_TITLE, kind_title
from pages.components.columns import timestamp_column
from pages.components.markdown import escape_markdown
from pages.components.notices import errors_as_notices
from pages.components.table import choose_row, show_table
from pages.session import current, guard

SELECTED_PARAM, NOTICE_KEY, LAST_TEST_KEY = "webhook", "webhooks-notice", "webhook-last-test"
RERUN_EVERY = "1s"
FORMATS: dict[str, WebhookFormat] = {"JSON": "json", "Slack": "slack"}
COLUMNS = {
    "name": column.TextColumn("Name", width=120),
    "host": column.TextColumn("Host", width=160, help="The rest of its URL is secret"),
    "form": column.TextColumn("Format", width=70),
    "wants": column.TextColumn("Notified of", width=190),
    "enabled": column.CheckboxColumn("On", width=50),
    "delivered": column.NumberColumn("Delivered", format="localized", width=80, help="In the last 30 days"),
    "failed": column.NumberColumn("Failed", format="localized", width=65, help="In the last 30 days"),
    "pending": column.NumberColumn("Pending", format="localized", width=70),
    "last_at": timestamp_column("Last", width=130),
}
DELIVERY_COLUMNS = {
    "created_at": timestamp_column("When", width=130),
    "alert": column.TextColumn("Alert", width=240),
    "state": column.TextColumn("State", width=85),
    "attempts": column.NumberColumn("Attempts", format="localized", width=70),
    "http_status": column.NumberColumn("Status", format="%d", width=70, help="HTTP status of the last response"),
    "error": column.TextColumn("Error", width=360),
}
VERIFICATION_HELP = """
Each request carries `x-almanac-timestamp`, `x-almanac-delivery` and `x-almanac-signature`. The signature is
HMAC-SHA256 of the timestamp, a dot and the body, under this key. Reject requests whose signature differs or whose
timestamp is older than five minutes; a repeated delivery number is a retry.
"""
VERIFICATION_EXAMPLE = """import hashlib, hmac

def is_from_almanac(key: str, headers: dict[str, str], body: bytes) -> bool:
    signed = headers["x-almanac-timestamp"].encode() + b"." + body
    digest = hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(f"sha256={digest}", headers["x-almanac-signature"])
"""


def show(_admin: Identity) -> None:
    if notice := st.session_state.pop(NOTICE_KEY, ""):
        st.success(notice, icon=":material/check_circle:")
    found = alerts.webhooks(datetime.now(UTC))
    show_new_key(set(found["name"]))
    if found.empty:
        st.info("There are no webhooks. Add one below.", icon=":material/webhook:")
    else:
        show_webhooks(found)
        query_params.show_invalid_parameters(query_params.invalid_choices(SELECTED_PARAM, set(found["id"].astype(str))))
        selected = found[found["id"].astype(str) == query_params.get(SELECTED_PARAM)]
        if not selected.empty:
            show_webhook(selected.iloc[0].to_dict())
    with st.expander("Add a webhook", icon=":material/add_link:", expanded=found.empty):
        show_add_form(len(found))


def show_new_key(names: Collection[str]) -> None:
    """Show the signing key of a new webhook, one of *names*, until the reader confirms the copy or leaves the page."""
    created = st.session_state.get(current.WEBHOOK_KEY_SHOWN_ONCE)
    if created is None or created[0] not in names:
        return
    name, key = created
    with st.container(border=True, key="webhook-key"):
        st.markdown(f"**{escape_markdown(name)}**: requests are signed with this key, which is shown only now:")
        st.code(key, language=None, wrap_lines=True)
        with st.expander("How the receiver verifies the signature", icon=":material/verified_user:"):
            st.markdown(VERIFICATION_HELP)
            st.code(VERIFICATION_EXAMPLE, language="python")
        st.button("I have copied it", icon=":material/check:", on_click=forget_key, key="webhook-key-copied")


@guard.callback(role="admin")
def forget_key() -> None:
    st.session_state.pop(current.WEBHOOK_KEY_SHOWN_ONCE, None)


def show_webhooks(found: DataFrame) -> None:
    titles = {payload_format: title for title, payload_format in FORMATS.items()}
    rows = found.assign(
        form=[titles[payload_format] for payload_format in found["format"]],
        wants=[kinds_label(kinds) for kinds in found["kinds"]],
    )
    choose_row(
        rows,
        COLUMNS,
        ids=found["id"],
        param=SELECTED_PARAM,
        max_height=300,
        alt="Webhooks by name; select one to test, switch or delete it",
        key="webhooks-table",
    )
    st.caption("Select one to test, switch off or delete it.")


def kinds_label(kinds: Sequence[str] | None) -> str:
    """Return the alert kinds that a webhook is notified of."""
    return ", ".join(kind_title(kind) for kind in kinds) if isinstance(kinds, Sequence) and kinds else "all alerts"


def show_webhook(webhook: Mapping[Any, Any]) -> None:
    """Show one webhook: its actions, the result of the last test, and its deliveries."""
    webhook_id, enabled = int(webhook["id"]), bool(webhook["enabled"])
    with st.container(border=True, key="webhook"):
        st.markdown(f"**{escape_markdown(webhook['name'])}** at {escape_markdown(webhook['host'])}")
        with st.container(horizontal=True):
            st.button(
                "Send a test", type="primary", icon=":material/send:", disabled=not enabled,
                on_click=send_test, args=(webhook_id,), key="webhook-test",
                help=None if enabled else "Switched off, so nothing is sent",
            )  # fmt: skip
            st.button(
                "Switch off" if enabled else "Switch on",
                icon=":material/notifications_off:" if enabled else ":material/notifications_active:",
                on_click=set_enabled, args=(webhook_id, not enabled), key="webhook-switch",
            )  # fmt: skip
            if st.button("Delete", icon=":material/delete:", key="webhook-remove"):
                confirm_removal(webhook_id, str(webhook["name"]))
        last_test = st.session_state.get(LAST_TEST_KEY)
        if last_test and last_test[0] == webhook_id:
            show_test_result(last_test[1])
        show_deliveries(webhook_id)


def show_test_result(delivery_id: int) -> None:
    """Show the state of the last test delivery."""
    found = alerts.delivery(delivery_id)
    if found is None:
        return
    match found.state:
        case "pending":
            show_test_progress(delivery_id)
        case "delivered":
            st.success(f"Delivered: it responded with status {found.http_status}.", icon=":material/check_circle:")
        case "failed":
            st.warning(f"Not delivered. {escape_markdown(found.error or 'see the log')}.", icon=":material/error:")


@guard.fragment(role="admin", run_every=RERUN_EVERY)
def show_test_progress(delivery_id: int) -> None:
    """Show the test delivery while it is pending; then run the page again."""
    current.require_identity("admin")
    found = alerts.delivery(delivery_id)
    if found is None or found.state != "pending":
        st.rerun()
    if found.attempts:
        st.info(
            f"{escape_markdown(found.error or 'see the log')}; it is retried automatically.", icon=":material/history:"
        )
    else:
        since = time_ago(found.created_at, datetime.now(UTC))
        st.info(f"Waiting for a worker to send it, requested {since} …", icon=":material/hourglass_top:")


def show_deliveries(webhook_id: int) -> None:
    """List the latest deliveries, newest first."""
    found = alerts.deliveries(webhook_id)
    if found.empty:
        st.caption("Nothing has been delivered yet.")
        return
    labels = [
        "test" if event == "test" else f"{'ended: ' if event == 'ended' else ''}{message}"
        for event, message in zip(found["event"], found["message"], strict=True)
    ]
    show_table(
        found.assign(alert=labels),
        DELIVERY_COLUMNS,
        max_height=300,
        alt="Deliveries, newest first",
        key="deliveries-table",
    )


def show_add_form(stored: int) -> None:
    """Draw the form for a new webhook. With each of *stored* it is another form, empty again."""
    rule = "A public https URL" if not settings().webhook_private_addresses else "An http or https URL"
    with st.form(f"new-webhook-{stored}", border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            name = st.text_input("Name", max_chars=MAX_NAME_LENGTH, placeholder="Team chat", width=200)
            url = st.text_input(
                "URL", max_chars=MAX_URL_LENGTH, placeholder="https://example.com/hook", width=420,
                help=f"{rule}. It is kept secret: only its host is shown afterwards", autocomplete="off",
            )  # fmt: skip
            label = st.selectbox("Format", list(FORMATS), width=120)
        kinds = st.multiselect("Notified of", list(KIND_BY_TITLE), placeholder="All alerts")
        if st.form_submit_button("Add", type="primary", icon=":material/add:"):
            create_webhook(name, url, FORMATS[label], [KIND_BY_TITLE[kind] for kind in kinds])


def create_webhook(name: str, url: str, payload_format: WebhookFormat, kinds: Sequence[str]) -> None:
    admin = current.require_identity("admin")
    created = None
    with errors_as_notices(), transaction() as connection:
        created = alert_commands.add_webhook(connection, admin, name, url, payload_format, kinds, current.origin())
    if created is not None:
        st.session_state[current.WEBHOOK_KEY_SHOWN_ONCE] = (name.strip(), created.key)
        query_params.set_param(SELECTED_PARAM, created.id)
        st.rerun()


@guard.callback(role="admin")
def send_test(webhook_id: int) -> None:
    admin = current.require_identity("admin")
    with errors_as_notices(), transaction() as connection:
        st.session_state[LAST_TEST_KEY] = (
            webhook_id,
            alert_commands.send_test_delivery(connection, admin, webhook_id, current.origin()),
        )


@guard.callback(role="admin")
def set_enabled(webhook_id: int, enabled: bool) -> None:
    admin = current.require_identity("admin")
    with errors_as_notices(), transaction() as connection:
        alert_commands.set_webhook_enabled(connection, admin, webhook_id, current.origin(), enabled=enabled)
        st.session_state[NOTICE_KEY] = (
            "Switched on: it is notified again."
            if enabled
            else "Switched off: it is not notified until switched on again."
        )


@guard.dialog("Delete this webhook", role="admin")
def confirm_removal(webhook_id: int, name: str) -> None:
    st.markdown(f"Delete **{escape_markdown(name)}**? It gets no more alerts and its signing key is deleted.")
    if st.button("Delete", type="primary", key="webhook-remove-sure"):
        remove_webhook(webhook_id)


def remove_webhook(webhook_id: int) -> None:
    admin = current.require_identity("admin")
    is_deleted = False
    with errors_as_notices(), transaction() as connection:
        alert_commands.remove_webhook(connection, admin, webhook_id, current.origin())
        is_deleted = True
    if is_deleted:
        query_params.set_param(SELECTED_PARAM, "")
        st.session_state.pop(LAST_TEST_KEY, None)
        st.session_state[NOTICE_KEY] = "Webhook deleted."
        st.rerun()
