"""The parts of the collections page that change collections; everybody sees them, owners and admins may use them."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import streamlit as st
from pandas import DataFrame
from sqlalchemy import Connection

from core.analysis import comparison
from core.auth.identity import Identity, Origin
from core.db.engine import transaction
from core.queries import compare
from core.queries.collections import Collection
from core.tracking import collections as commands
from core.tracking.collections import MAX_NAME_LENGTH
from core.wording import quantity, time_ago
from pages.components.as_of import moment
from pages.components.markdown import escape_markdown
from pages.components.notices import errors_as_notices, show_notice
from pages.session import current, guard

# Widget keys; `collection` is the query parameter too.
CHOSEN_KEY, NEW_KEY, NAME_KEY = "collection", "new-collection-name", "collection-name"
ADDED_KEY, REMOVED_KEY = "collection-added", "collection-removed"
MAX_LISTED = 5


def show_new() -> None:
    """Draw the form of a new collection."""
    with st.popover("New collection", icon=":material/add:"):
        st.text_input("Name", key=NEW_KEY, max_chars=MAX_NAME_LENGTH, placeholder="Web frameworks")
        st.button("Create", type="primary", key="create-collection", on_click=_create)


def show_none_chosen(*, has_any: bool) -> None:
    st.info(
        "Choose a collection above, or make a new one."
        if has_any
        else "There is no collection yet. Make one above, then put accounts or repositories into it.",
        icon=":material/folder_special:",
    )


def why_empty(members: DataFrame, as_of: datetime | None) -> str:
    """Return why a collection shows no repository: no members, not tracked, not collected yet, or truly none."""
    if members.empty:
        return "It has no members yet."
    first = members["first_capture_at"].dropna()
    if (first if as_of is None else first[first <= as_of]).size:
        return "Its accounts have no repositories."
    if as_of is not None:
        return f"Nothing of its members had been collected by {moment(as_of)}."
    if members["is_tracked"].any():
        return "Its members are tracked and have not been collected yet."
    return "None of its members is tracked, and there is no imported history of them."


def show_header(identity: Identity, collection: Collection, members: DataFrame) -> None:
    """Say whose collection it is and what is in it, with the forms that change it for those who may."""
    by = f"made by {escape_markdown(collection.made_by)}" if collection.made_by else "its maker has left"
    counts = members["kind"].value_counts()
    parts = [
        quantity(int(counts.get("account", 0)), "account"),
        quantity(int(counts.get("repository", 0)), "repository", "repositories"),
    ]
    made = f"{by} {time_ago(collection.created_at, datetime.now(UTC))}"
    st.markdown(f"**{escape_markdown(collection.name)}** · {' and '.join(parts)} · {made}")
    if not identity.is_admin and identity.person_id != collection.person_id:
        st.caption("Only the person who made this collection, or an admin, may change it.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.popover("Add or remove members", icon=":material/edit:"):
            _show_member_forms(collection, members)
        with st.popover("Rename or delete", icon=":material/settings:"):
            st.text_input("Name", collection.name, key=f"{NAME_KEY}-{collection.id}", max_chars=MAX_NAME_LENGTH)
            st.button("Rename", key="rename-collection", on_click=_rename, args=(collection.id,))
            st.caption("Deleting a collection keeps what is stored of its members.")
            st.button(
                "Delete this collection",
                icon=":material/delete:",
                key="delete-collection",
                on_click=_delete,
                args=(collection.id,),
            )


def _show_member_forms(collection: Collection, members: DataFrame) -> None:
    st.text_area(
        "Accounts and repositories to add",
        key=ADDED_KEY,
        placeholder="octocat, octocat/hello-world or URLs",
        help="Logins, names like owner/name, or URLs, separated by commas, spaces or lines. "
        "An account stands for all its repositories.",
    )
    st.button("Add", type="primary", key="add-members", on_click=_add, args=(collection.id,))
    if not members.empty:
        names = members["name"].tolist()
        st.multiselect("Members to remove", names, key=REMOVED_KEY, placeholder="Choose members")
        chosen = members[members["name"].isin(st.session_state[REMOVED_KEY])]
        st.button(
            "Remove",
            key="remove-members",
            disabled=chosen.empty,
            on_click=_remove_members,
            args=(collection.id, _ids(chosen, "account"), _ids(chosen, "repository")),
        )


def _ids(members: DataFrame, kind: str) -> list[int]:
    return [int(value) for value in members.loc[members["kind"] == kind, "subject_id"]]


def _change(command: Callable[[Connection, Identity, Origin], str | None]) -> None:
    """Run *command* in a transaction, or show why it is refused; the page then shows the collection it returns."""
    with errors_as_notices():
        with transaction() as connection:
            name = command(connection, current.current_identity(), current.origin())
        st.session_state[CHOSEN_KEY] = name
        for key in (NEW_KEY, ADDED_KEY, REMOVED_KEY):
            st.session_state.pop(key, None)


@guard.callback()
def _create() -> None:
    name = str(st.session_state[NEW_KEY])
    _change(lambda connection, identity, origin: commands.create(connection, identity, name, origin))


@guard.callback()
def _rename(collection_id: int) -> None:
    name = str(st.session_state[f"{NAME_KEY}-{collection_id}"])
    _change(lambda connection, identity, origin: commands.rename(connection, identity, collection_id, name, origin))


@guard.callback()
def _delete(collection_id: int) -> None:
    _change(lambda connection, identity, origin: commands.remove(connection, identity, collection_id, origin))


@guard.callback()
def _remove_members(collection_id: int, accounts: Sequence[int], repositories: Sequence[int]) -> None:
    def remove(connection: Connection, identity: Identity, origin: Origin) -> str | None:
        commands.remove_members(connection, identity, collection_id, accounts, repositories, origin)
        return str(st.session_state[CHOSEN_KEY])

    _change(remove)


@guard.callback()
def _add(collection_id: int) -> None:
    parsed = comparison.parse_names([str(st.session_state[ADDED_KEY])], most=commands.MAX_MEMBERS)
    found = {name: compare.find(name, None) for name in parsed.names}
    ids = {
        kind: [subject.id for subject in found.values() if subject is not None and subject.kind == kind]
        for kind in ("account", "repository")
    }

    def add(connection: Connection, identity: Identity, origin: Origin) -> str | None:
        commands.add_members(connection, identity, collection_id, ids["account"], ids["repository"], origin)
        return str(st.session_state[CHOSEN_KEY])

    if any(ids.values()):
        _change(add)
    _show_left_out([name for name, subject in found.items() if subject is None], parsed.invalid)


def _show_left_out(unknown: Sequence[str], invalid: Sequence[str]) -> None:
    """Say which names were not added and why."""
    if unknown:
        shown = ", ".join(f"**{escape_markdown(name)}**" for name in unknown[:MAX_LISTED])
        rest = f" and {len(unknown) - MAX_LISTED:,} more" if len(unknown) > MAX_LISTED else ""
        show_notice(f"Nothing is stored about {shown}{rest}: their own pages offer to track them")
    for reason in invalid[:MAX_LISTED]:
        show_notice(escape_markdown(reason))
