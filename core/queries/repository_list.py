"""All stored repositories, filtered and ordered by a reader's choices."""

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pandas import DataFrame, Index

from core.analysis.difference import with_differences
from core.db.arrow import read_arrow
from core.db.frames import derived, read_frame
from core.queries.compared_counts import beside_counts_at
from core.queries.past_counts import NEWEST_CTE, OF_IDS
from core.queries.repository_base import (
    as_of_values,
    counts_ctes,
    extended_ctes,
    growing_ctes,
    grown_ctes,
    repository_ctes,
    stored_with_extras,
)
from core.shared_cache import memoized
from core.whole_numbers import MAX_INT32

ORDER_BY: Mapping[str, str] = {
    "stars": "stars DESC NULLS LAST",
    "stars_7d": "stars_7d DESC NULLS LAST",
    "stars_30d": "stars_30d DESC NULLS LAST",
    "forks": "forks DESC NULLS LAST",
    "pushed_at": "pushed_at DESC NULLS LAST",
    "checked_at": "checked_at NULLS FIRST",
    "full_name": "lower(full_name)",
}

SORT_BY: Mapping[str, str] = {
    **{name: name for name in ("stars", "stars_7d", "stars_30d", "forks", "watchers", "open_issues", "size_kb")},
    **{name: name for name in ("checked_at", "pushed_at")},
    **{name: f"lower({name})" for name in ("full_name", "owner", "language", "license", "description")},
    "topics": "array_to_string(topics, ', ')",
    "state": "nullif(concat_ws(', ', CASE WHEN is_archived THEN 'archived' END, CASE WHEN is_fork THEN 'fork' END,"
    " CASE WHEN is_gone THEN 'deleted' END), '')",
    "source": "source.name",
}
"""SQL by column that a reader can sort a table of repositories by; the state as the table writes it."""

SHOWN_GROWTH = ("stars_7d", "stars_30d")
SHOWN_EXTRAS = ("watchers", "open_issues")
"""These and growth are read of the past beside the counts: for the rows of a page alone unless it is sorted by them."""
COMPARED_COLUMNS = ("stars", "forks")
"""Columns that `compared_repositories` sets beside those of another time."""
LISTED = """repository_id, full_name, owner, description, language, stars, stars_7d, stars_30d, forks, watchers,
               open_issues, size_kb, license, topics, is_fork, is_archived, is_gone, created_at, pushed_at, checked_at,
               source.name AS source"""
_CHOSEN = f"repository_id {OF_IDS}"
# One condition per filter, true while the filter is off.
CONDITIONS: Mapping[str, str] = {
    "search": """(CAST(:words AS text[]) = '{}' OR NOT EXISTS (
               SELECT FROM unnest(CAST(:words AS text[])) AS word
                WHERE strpos(lower(concat_ws(' ', full_name, description, array_to_string(topics, ' '))),
                             lower(word)) = 0)
           )""",
    "owner": "(:owner = '' OR lower(owner) = lower(:owner))",
    "languages": "(CAST(:languages AS text[]) = '{}' OR language = ANY(CAST(:languages AS text[])))",
    "license": "(:license = '' OR license = :license)",
    "min_stars": "(:min_stars = 0 OR stars >= :min_stars)",
    # Most repositories are neither. Of a boolean that is computed, Postgres would expect that half of them are, of a
    # number hardly any.
    "forks": "(NOT :hide_forks OR is_fork::int IS DISTINCT FROM 1)",
    "archived": "(NOT :hide_archived OR is_archived::int IS DISTINCT FROM 1)",
    "deleted": "(NOT :hide_deleted OR is_gone::int IS DISTINCT FROM 1)",
}


@dataclass(frozen=True)
class Filters:
    """Conditions on repositories; the defaults match all."""

    search: str = ""
    owner: str = ""
    languages: tuple[str, ...] = ()
    license: str = ""
    min_stars: int = 0
    hidden: frozenset[str] = frozenset()
    """Any of forks, archived, deleted (or private)."""
    as_of: datetime | None = None

    @property
    def values(self) -> dict[str, Any]:
        hide = {f"hide_{name}": name in self.hidden for name in ("forks", "archived", "deleted")}
        return {
            "words": self.search.split(),
            "owner": self.owner.strip(),
            "languages": list(self.languages),
            "license": self.license,
            "min_stars": min(self.min_stars, MAX_INT32),
            **hide,
            **as_of_values(self.as_of),
        }

    @property
    def active(self) -> frozenset[str]:
        """Return the names of the conditions that can exclude a repository."""
        given = {
            "search": bool(self.search.split()),
            "owner": bool(self.owner.strip()),
            "languages": bool(self.languages),
            "license": bool(self.license),
            "min_stars": self.min_stars > 0,
        }
        return self.hidden | {name for name, is_on in given.items() if is_on}

    @property
    def may_match_most(self) -> bool:
        """Return whether no condition is active that leaves out most repositories: few are hidden."""
        return self.active == self.hidden

    def without(self, name: str) -> "Filters":
        """Return the same filters with the condition *name* removed."""
        if name in self.hidden:
            return replace(self, hidden=self.hidden - {name})
        return replace(self, **{name: getattr(Filters, name)})


def matching_repositories(filters: Filters, order: str = "stars") -> DataFrame:
    """Read all repositories that match, in Arrow columns.

    full_name, owner, description, language, license  text; topics: list of text, null until collected
    stars, forks, watchers, open_issues, size_kb      as GitHub counts them; open_issues without change requests
    stars_7d, stars_30d                               growth up to checked_at; null without a snapshot then
    is_fork, is_archived, is_gone                     boolean; null where unknown at that time
    created_at, pushed_at, checked_at                 timestamps; checked_at is the last capture
    source                                            name of the source of these counts
    """
    return _without_ids(_read_matching(filters, order))


def _read_matching(filters: Filters, order: str) -> DataFrame:
    return read_arrow(_select_matching(filters, ORDER_BY[order]), only_until=filters.as_of, **filters.values)


def matching_page(
    filters: Filters, order: str, offset: int, limit: int, *, sort: str = "", descending: bool = False
) -> DataFrame:
    """Read *limit* rows of `matching_repositories` after the first *offset*, sorted by a key of SORT_BY if given."""
    return _without_ids(_read_page(filters, order, offset, limit, sort, descending=descending))


def _without_ids(rows: DataFrame) -> DataFrame:
    return derived(rows.drop(columns="repository_id"), rows)


def _read_page(filters: Filters, order: str, offset: int, limit: int, sort: str, *, descending: bool) -> DataFrame:
    by = ORDER_BY[order]
    if sort:
        by = f"{SORT_BY[sort]} {'DESC' if descending else 'ASC'} NULLS LAST"
    is_current = filters.as_of is None
    sql = _select_matching_page(filters, by) if is_current else _select_page_of_past(filters, by, sort or order)
    return read_arrow(sql, only_until=filters.as_of, **filters.values, limit=limit, offset=offset)


def _select_matching(filters: Filters, order: str, chosen: str = "true") -> str:
    # *order* and *chosen* are constants of this module: no reader's text enters the SQL.
    is_current = filters.as_of is None
    # Citus would send all rows of the past to the nodes for a join with `source` itself.
    names = "" if is_current else ", source AS MATERIALIZED (SELECT id, name FROM source)"
    return f"""
        WITH {repository_ctes(filters.as_of, _where(CONDITIONS), most=filters.may_match_most)}{names}
        SELECT {LISTED}
          FROM {"stored" if is_current else stored_with_extras(most=filters.may_match_most)}
          -- LEFT, although each has a source: JOIN would make a LEFT JOIN of the FULL JOIN.
          LEFT JOIN source ON source.id = source_id
         WHERE {_where(CONDITIONS) if is_current else "true"} AND {chosen}
         ORDER BY {order}, full_name, repository_id
    """  # noqa: S608


def _select_matching_page(filters: Filters, order: str) -> str:
    return f"{_select_matching(filters, order).rstrip()}\n         LIMIT :limit OFFSET :offset"


def _select_page_of_past(filters: Filters, order: str, column: str = "", chosen: str = "true") -> str:
    """Like `_select_matching_page`, but read growth and extras for these rows alone, unless *column* is one of them."""
    by_growth, by_extras = column in SHOWN_GROWTH, column in SHOWN_EXTRAS
    rows = "grown_row" if by_growth else "extended_row" if by_extras else "matching"
    grown = grown_ctes(filters.as_of, "matching" if by_growth else "page")
    extended = extended_ctes("matching" if by_extras else "page" if by_growth else "grown_row", many=by_extras)
    page_rows = "grown_row" if by_extras else "extended_row"
    matching = f"""matching AS {"MATERIALIZED" if by_growth or by_extras else ""} (
            SELECT * FROM stored WHERE {_where(CONDITIONS)} AND {chosen}
        )"""  # noqa: S608
    page = f"""page AS MATERIALIZED (
            SELECT {rows}.* FROM {rows}
              -- LEFT, although each has a source: JOIN would make a LEFT JOIN of a FULL JOIN.
              LEFT JOIN source ON source.id = source_id
             ORDER BY {order}, full_name, repository_id
             LIMIT :limit OFFSET :offset
        )"""  # noqa: S608
    in_order = (
        (grown, page, extended) if by_growth else (extended, page, grown) if by_extras else (page, grown, extended)
    )
    return f"""
        WITH {counts_ctes(filters.as_of, grows=by_growth and filters.may_match_most)}, {matching},
             {", ".join(in_order)}
        SELECT {LISTED}
          FROM {page_rows}
          JOIN source ON source.id = source_id
         ORDER BY {order}, full_name, repository_id
    """  # noqa: S608


def count_matching(filters: Filters) -> int:
    """Count the repositories that match."""
    if not filters.active and filters.as_of is None:
        return count_repositories(None)
    return int(_counts(filters)["matching"].iloc[0])


def count_unknown(filters: Filters) -> int:
    """Count those of the matching repositories whose attributes then are unknown: `is_fork` is null."""
    return 0 if filters.as_of is None else int(_counts(filters)["unknown"].iloc[0])


def _counts(filters: Filters) -> DataFrame:
    sql = f"""
        WITH {counts_ctes(filters.as_of)}
        SELECT count(*) AS matching, count(*) FILTER (WHERE is_fork IS NULL) AS unknown
          FROM stored WHERE {_where(CONDITIONS)}
    """  # noqa: S608
    return read_frame(sql, only_until=filters.as_of, **filters.values)


def compared_repositories(filters: Filters, order: str, vs: datetime) -> DataFrame:
    """Read `matching_repositories` beside their counts at *vs*, those that changed most first.

    stars_vs, stars_difference, stars_percent, forks_vs, forks_difference, forks_percent   see `with_differences`
    """
    now = _read_matching(filters, order)
    return _without_ids(with_differences(now, _counts_at(vs), "repository_id", COMPARED_COLUMNS))


def _counts_at(vs: datetime) -> DataFrame:
    sql = f"WITH {counts_ctes(vs)}\n        SELECT repository_id, stars, forks FROM stored"  # noqa: S608
    return read_arrow(sql, only_until=vs, **as_of_values(vs))


def compared_page(
    filters: Filters, order: str, vs: datetime, offset: int, limit: int, *, sort: str = "", descending: bool = False
) -> DataFrame:
    """Read *limit* rows of `compared_repositories` after the first *offset*; *sort* may be a column of it, too."""
    if sort in SORT_BY:
        page = _read_page(filters, order, offset, limit, sort, descending=descending)
    else:
        ids = memoized(_in_order, _array_bytes, *_compared_counts(filters, order, vs), sort, descending=descending)
        page = _read_rows(filters, ids[offset : offset + limit])
    return beside_counts_at(page, page["repository_id"].tolist(), vs, COMPARED_COLUMNS, changed_first=False)


def _compared_counts(filters: Filters, order: str, vs: datetime) -> tuple[DataFrame, DataFrame]:
    """Read the counts alone of all repositories that match, in *order*, and those of all at *vs*."""
    by_growth = order in SHOWN_GROWTH
    sql = f"""
        WITH {counts_ctes(filters.as_of, grows=by_growth and filters.may_match_most)}, matching AS (
            SELECT * FROM stored WHERE {_where(CONDITIONS)}
        ){f", {grown_ctes(filters.as_of, 'matching')}" if by_growth else ""}
        SELECT repository_id, stars, forks
          FROM {"grown_row" if by_growth else "matching"}
         ORDER BY {ORDER_BY[order]}, full_name, repository_id
    """  # noqa: S608
    return read_arrow(sql, only_until=filters.as_of, **filters.values), _counts_at(vs)


def _in_order(now: DataFrame, then: DataFrame, sort: str, *, descending: bool) -> "array[int]":
    """Return our ids as `compared_repositories` orders them, or by a column of it; what is unknown comes last."""
    compared = with_differences(now, then, "repository_id", COMPARED_COLUMNS, changed_first=not sort)
    if sort:
        compared = compared.sort_values(sort, ascending=not descending, kind="stable", na_position="last")
    return array("q", compared["repository_id"])


def _array_bytes(values: "array[int]") -> int:
    return values.itemsize * len(values)


def _read_rows(filters: Filters, ids: "array[int]") -> DataFrame:
    """Read the matching repositories with these *ids*, in the same order."""
    values = filters.values | {"ids": list(ids), "limit": len(ids), "offset": 0}
    select = _select_matching if filters.as_of is None else _select_page_of_past
    rows = read_arrow(select(filters, "full_name", chosen=_CHOSEN), only_until=filters.as_of, **values)
    return derived(rows.iloc[Index(rows["repository_id"]).get_indexer(list(ids))].reset_index(drop=True), rows)


def count_repositories(as_of: datetime | None) -> int:
    """Count all repositories stored by *as_of*, without filters."""
    sql = "SELECT coalesce(sum(repositories), 0)::bigint AS stored FROM account_summary"
    if as_of is not None:
        sql = f"WITH {NEWEST_CTE} SELECT count(*) AS stored FROM newest"  # noqa: S608
    return int(read_frame(sql, only_until=as_of, **as_of_values(as_of))["stored"].iloc[0])


def counts_without_each_filter(filters: Filters) -> dict[str, int]:
    """Count the repositories that would match with one active filter removed, by filter, the most first."""
    names = sorted(filters.active)
    if not names:
        return {}
    counts = ",\n               ".join(
        f'count(*) FILTER (WHERE {_where(name for name in CONDITIONS if name != dropped)}) AS "{dropped}"'
        for dropped in names
    )
    sql = f"WITH {counts_ctes(filters.as_of)}\n        SELECT {counts}\n          FROM stored"  # noqa: S608
    row = read_frame(sql, only_until=filters.as_of, **filters.values).iloc[0]
    return {str(name): int(count) for name, count in row.sort_values(ascending=False).items()}


def language_counts() -> DataFrame:
    """List the primary languages of stored repositories: language (its present name), repositories; the most first."""
    return _column_value_counts("present_language(primary_language)", "language")


def license_counts() -> DataFrame:
    """List the licences of stored repositories: license, repositories; the most first."""
    return _column_value_counts("license", "license")


def _column_value_counts(column: str, name: str) -> DataFrame:
    sql = f"""
        SELECT {column} AS {name}, count(*) AS repositories
          FROM repository WHERE {column} IS NOT NULL
         GROUP BY 1 ORDER BY 2 DESC, 1
    """  # noqa: S608
    return read_frame(sql)


def owners_with_prefix(text: str, limit: int = 3) -> list[str]:
    """List logins that begin with *text*, in any case, those with most repositories first."""
    sql = """
        SELECT login FROM account JOIN repository ON repository.account_id = account.id
         WHERE starts_with(lower(login), lower(:text))
         GROUP BY login ORDER BY count(*) DESC, login LIMIT :limit
    """
    return [str(login) for login in read_frame(sql, text=text, limit=limit)["login"]]


def star_distribution(filters: Filters) -> DataFrame:
    """Count the matching repositories by stars, three bins to a power of ten, smallest first, without empty bins.

    at_least      lower bound of the bin; 0 is a bin of its own
    below         upper bound, exclusive
    repositories  how many
    """
    sql = f"""
        WITH {counts_ctes(filters.as_of)}, binned AS (
            SELECT CASE WHEN stars > 0 THEN floor(log(stars) * 3 + 1e-9)::int END AS bin, count(*) AS repositories
              FROM stored WHERE stars IS NOT NULL AND {_where(CONDITIONS)}
             GROUP BY 1
        )
        SELECT CASE WHEN bin IS NULL THEN 0 ELSE ceil(10 ^ (bin / 3.0) - 1e-6) END::bigint AS at_least,
               CASE WHEN bin IS NULL THEN 1 ELSE ceil(10 ^ ((bin + 1) / 3.0) - 1e-6) END::bigint AS below,
               repositories
          FROM binned ORDER BY 1
    """  # noqa: S608
    return read_frame(sql, only_until=filters.as_of, **filters.values)


def fastest_growing(filters: Filters, limit: int = 400) -> DataFrame:
    """Read the matching repositories that gained most stars in the 30 days before their last capture, the most first.

    full_name, language  text; language is null where GitHub detects none
    stars, stars_30d     int; only growth above zero
    checked_at           timestamp of the last capture
    """
    sql = f"""
        WITH {growing_ctes(filters.as_of, _where(CONDITIONS), "full_name, language", most=filters.may_match_most)}
        SELECT full_name, language, stars, stars_30d, checked_at
          FROM grown_row WHERE stars_30d > 0 AND stars > 0
         ORDER BY stars_30d DESC, full_name LIMIT :limit
    """  # noqa: S608
    values = filters.values | as_of_values(filters.as_of, (30,))
    return read_frame(sql, only_until=filters.as_of, **values, limit=limit)


def _where(conditions: Iterable[str]) -> str:
    return "\n           AND ".join(CONDITIONS[name] for name in conditions)
