"""Collections: named groups of accounts and repositories."""

from dataclasses import dataclass
from datetime import datetime

from pandas import DataFrame

from core.db.frames import derived, first_record, read_frame
from core.queries.captures import FIRST_CAPTURE_AT
from core.queries.compared_counts import beside_counts_at
from core.queries.repository_base import as_of_values, growing_ctes

IS_MEMBER = """repository_id IN (
                   SELECT repository.id
                     FROM collection
                     JOIN collection_member AS member ON member.collection_id = collection.id
                     JOIN repository
                       ON repository.id = member.repository_id OR repository.account_id = member.account_id
                    WHERE lower(collection.name) = lower(:collection))"""
"""SQL: whether a `repository_id` belongs to the collection called `:collection`, by itself or by its account."""


@dataclass(frozen=True)
class Collection:
    """A collection; `person_id` and `made_by` are None once that person is deleted."""

    id: int
    name: str
    person_id: int | None
    made_by: str | None
    created_at: datetime


def names() -> list[str]:
    """List the names of all collections."""
    found = read_frame("SELECT name FROM collection ORDER BY lower(name), name", fresh=True)
    return [str(name) for name in found["name"]]


def find(name: str) -> Collection | None:
    """Find a collection by its name in any case."""
    sql = """
        SELECT collection.id, name, person_id, username AS made_by, collection.created_at
          FROM collection LEFT JOIN person ON person.id = person_id
         WHERE lower(name) = lower(:name)
    """
    return first_record(read_frame(sql, name=name, fresh=True), Collection)


def members(collection_id: int) -> DataFrame:
    """List the members of a collection, accounts first, by name.

    kind              account or repository
    subject_id        our own id of it
    name              login or `owner/name`
    is_tracked        whether the account, or the repository's, is tracked
    first_capture_at  of accounts: the first capture of it; null before, and for repositories
    """
    sql = f"""
        SELECT CASE WHEN member.account_id IS NULL THEN 'repository' ELSE 'account' END AS kind,
               coalesce(member.account_id, member.repository_id) AS subject_id, coalesce(full_name, login) AS name,
               EXISTS (SELECT FROM tracked_account
                        WHERE account_id = coalesce(member.account_id, repository.account_id)) AS is_tracked,
               {FIRST_CAPTURE_AT} AS first_capture_at
          FROM collection_member AS member
          LEFT JOIN account ON account.id = member.account_id
          LEFT JOIN repository ON repository.id = member.repository_id
         WHERE collection_id = :id
         ORDER BY kind, lower(coalesce(full_name, login))
    """  # noqa: S608
    return read_frame(sql, id=collection_id, fresh=True)


def repositories(name: str, as_of: datetime | None) -> DataFrame:
    """Read the repositories of a collection, those of its accounts too, the most starred first.

    full_name, owner, language, description  text
    stars, forks, stars_30d                  as GitHub counts them; growth up to checked_at
    checked_at, source                       the last capture, and whose it is
    """
    found = _read(name, as_of)
    return derived(found.drop(columns="repository_id"), found)


def compared_repositories(name: str, as_of: datetime | None, vs: datetime) -> DataFrame:
    """Read `repositories` beside their counts at *vs*, those that changed most first: see `beside_counts_at`."""
    now = _read(name, as_of)
    return beside_counts_at(now, [int(one) for one in now["repository_id"]], vs)


def _read(name: str, as_of: datetime | None) -> DataFrame:
    sql = f"""
        WITH {growing_ctes(as_of, IS_MEMBER, "full_name, owner, language, forks, source_id, description", most=False)}
        SELECT repository_id, full_name, owner, language, stars, stars_30d, forks, checked_at, source.name AS source,
               description
          FROM grown_row
          JOIN source ON source.id = source_id
         ORDER BY stars DESC NULLS LAST, full_name
    """  # noqa: S608
    return read_frame(sql, collection=name, **as_of_values(as_of, (30,)))
