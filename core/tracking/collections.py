"""Commands that change collections, recorded in the audit trail. Callers own the transaction.

Everybody reads every collection; whoever made one, and admins, change it.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, text

from core.auth import audit
from core.auth.identity import Identity, Origin, require_role
from core.db.data_version import publish_data_version
from core.errors import BadInput, Conflict, Forbidden, NotFound

MAX_NAME_LENGTH = 60
MAX_MEMBERS = 1_000


def create(connection: Connection, identity: Identity, name: str, origin: Origin) -> str:
    """Create an empty collection and return its name as stored. Raises BadInput, Conflict."""
    require_role(identity)
    name = _free_name(connection, name)
    connection.execute(
        text("INSERT INTO collection (name, person_id) VALUES (:name, :person)"),
        {"name": name, "person": identity.person_id},
    )
    _record(connection, identity, name, origin, did="created")
    return name


def rename(connection: Connection, identity: Identity, collection_id: int, name: str, origin: Origin) -> str:
    """Rename a collection and return its name as stored. Raises BadInput, Conflict, Forbidden, NotFound."""
    before = _require_editable(connection, identity, collection_id)
    name = _free_name(connection, name, but=collection_id)
    connection.execute(text("UPDATE collection SET name = :name WHERE id = :id"), {"name": name, "id": collection_id})
    _publish(connection, identity, name, origin, did="renamed", before=before)
    return name


def remove(connection: Connection, identity: Identity, collection_id: int, origin: Origin) -> None:
    """Delete a collection; its members stay stored. Raises Forbidden, NotFound."""
    name = _require_editable(connection, identity, collection_id)
    connection.execute(text("DELETE FROM collection WHERE id = :id"), {"id": collection_id})
    _publish(connection, identity, name, origin, did="deleted")


def add_members(
    connection: Connection,
    identity: Identity,
    collection_id: int,
    accounts: Sequence[int],
    repositories: Sequence[int],
    origin: Origin,
) -> int:
    """Add members by our own ids and return how many were not in it before. Raises BadInput, Forbidden, NotFound."""
    name = _require_editable(connection, identity, collection_id)
    values = {"id": collection_id, "accounts": list(accounts), "repositories": list(repositories)}
    added = connection.execute(
        text(
            "INSERT INTO collection_member (collection_id, account_id, repository_id)"
            " SELECT :id, id, NULL FROM unnest(CAST(:accounts AS bigint[])) AS id"
            " UNION ALL SELECT :id, NULL, id FROM unnest(CAST(:repositories AS bigint[])) AS id"
            " ON CONFLICT DO NOTHING"
        ),
        values,
    ).rowcount
    members = text("SELECT count(*) FROM collection_member WHERE collection_id = :id")
    if int(connection.scalar(members, {"id": collection_id}) or 0) > MAX_MEMBERS:
        raise BadInput(f"A collection has at most {MAX_MEMBERS:,} members")
    if added:
        _publish(connection, identity, name, origin, did="members added", count=added)
    return added


def remove_members(
    connection: Connection,
    identity: Identity,
    collection_id: int,
    accounts: Sequence[int],
    repositories: Sequence[int],
    origin: Origin,
) -> int:
    """Remove members by our own ids and return how many there were. Raises Forbidden, NotFound."""
    name = _require_editable(connection, identity, collection_id)
    removed = connection.execute(
        text(
            "DELETE FROM collection_member WHERE collection_id = :id"
            " AND (account_id = ANY(CAST(:accounts AS bigint[]))"
            " OR repository_id = ANY(CAST(:repositories AS bigint[])))"
        ),
        {"id": collection_id, "accounts": list(accounts), "repositories": list(repositories)},
    ).rowcount
    if removed:
        _publish(connection, identity, name, origin, did="members removed", count=removed)
    return removed


def _free_name(connection: Connection, name: str, but: int = 0) -> str:
    """Return *name* without superfluous spaces. Raises BadInput; Conflict if another collection has it, in any case."""
    name = " ".join(name.split())
    if not name:
        raise BadInput("A collection needs a name")
    if len(name) > MAX_NAME_LENGTH:
        raise BadInput(f"The name of a collection has at most {MAX_NAME_LENGTH} characters")
    if not name.isprintable():
        raise BadInput("The name of a collection has characters that cannot be shown")
    # Two people who choose the same name at once wait here for each other.
    connection.execute(text("LOCK TABLE collection IN SHARE ROW EXCLUSIVE MODE"))
    taken = connection.scalar(
        text("SELECT name FROM collection WHERE lower(name) = lower(:name) AND id <> :but"), {"name": name, "but": but}
    )
    if taken is not None:
        raise Conflict(f"There is a collection called {taken} already")
    return name


def _require_editable(connection: Connection, identity: Identity, collection_id: int) -> str:
    """Lock a collection that *identity* may change and return its name."""
    require_role(identity)
    found = connection.execute(
        text("SELECT name, person_id FROM collection WHERE id = :id FOR UPDATE"), {"id": collection_id}
    ).one_or_none()
    if found is None:
        raise NotFound("This collection no longer exists")
    if not identity.is_admin and found.person_id != identity.person_id:
        raise Forbidden("Only the person who made this collection, or an admin, may change it")
    return str(found.name)


def _publish(connection: Connection, identity: Identity, name: str, origin: Origin, **details: object) -> None:
    """Record a change of what pages show of a collection; cached rows of it are read again."""
    _record(connection, identity, name, origin, **details)
    publish_data_version(connection)


def _record(connection: Connection, identity: Identity, name: str, origin: Origin, **details: object) -> None:
    audit.record(
        connection, "collection_changed", actor=identity.username, person_id=identity.person_id, target=name,
        origin=origin, **details,
    )  # fmt: skip
