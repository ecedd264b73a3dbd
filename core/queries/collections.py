"""Collections: named groups of accounts and repositories."""

from core.db.frames import read_frame

IS_MEMBER = """repository_id IN (
                   SELECT repository.id
                     FROM collection
                     JOIN collection_member AS member ON member.collection_id = collection.id
                     JOIN repository
                       ON repository.id = member.repository_id OR repository.account_id = member.account_id
                    WHERE lower(collection.name) = lower(:collection))"""
"""SQL: whether a `repository_id` belongs to the collection called `:collection`, by itself or by its account."""


def names() -> list[str]:
    """List the names of all collections."""
    found = read_frame("SELECT name FROM collection ORDER BY lower(name), name", fresh=True)
    return [str(name) for name in found["name"]]
