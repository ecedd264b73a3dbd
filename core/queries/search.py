"""Search by name: accounts, repositories and languages, those that match best first.

A query matches a name that has all its words, in any case and order. A word of one or two letters has to begin the
login or the repository's name: the trigram indexes serve no shorter one. Former names count too.
"""

from datetime import datetime
from typing import Any, NamedTuple

from pandas import DataFrame

from core import linguist
from core.db.frames import read_frame
from core.queries.as_of import as_of_or_end_of_today
from core.queries.attributes import account_attributes, as_of_values, repository_attributes
from core.queries.repository_list import language_counts
from core.tracking.login import BadLogin, parse_name

MIN_INDEXED_LETTERS = 3
EXACT, BEGINS, CONTAINS, OTHER = range(4)


class _Match(NamedTuple):
    condition: str
    quality: str
    values: dict[str, Any]


def normalize(text: str) -> str:
    """Return *text* in lower case with single spaces; a URL of GitHub becomes the name in it."""
    words = text.lower().split()
    if len(words) == 1 and ("://" in words[0] or "github.com/" in words[0]):
        try:
            parsed = parse_name(words[0])
        except BadLogin:
            pass
        else:
            return (parsed.full_name or parsed.login).lower()
    return " ".join(words).removeprefix("@")


def repositories(text: str, as_of: datetime | None, limit: int) -> DataFrame:
    """Find repositories by name or `owner/name`: one row each, best match first, then most stars now.

    full_name    text, as it was then
    description  text, as it was then; null where unknown
    language     text, likewise
    is_gone      boolean
    """
    query = normalize(text)
    now, past = (_repository_match(query, table) for table in ("repository", "repository_version"))
    sql = f"""
        WITH {repository_attributes(as_of)}, former AS (
            SELECT DISTINCT ON (repository_id) repository_id, {past.quality} AS quality
              FROM repository_version WHERE {past.condition}
             ORDER BY 1, 2
        ), named AS (
            SELECT id, full_name, created_at, gone_at, {now.quality} AS quality FROM repository WHERE {now.condition}
             UNION ALL
            SELECT id, full_name, created_at, gone_at, quality
              FROM former JOIN repository ON id = repository_id WHERE NOT {now.condition}
        ), best AS MATERIALIZED (
            SELECT id, quality, summary.stars
              FROM named
              JOIN repository_summary AS summary ON summary.repository_id = id
             WHERE coalesce(named.created_at <= :until, true)
             ORDER BY quality, gone_at IS NOT NULL, summary.stars DESC NULLS LAST, lower(named.full_name), id
             LIMIT :limit
        )
        SELECT full_name, description, present_language(primary_language) AS language, is_gone
          FROM best
          JOIN attributes ON attributes.repository_id = best.id
         ORDER BY quality, is_gone, best.stars DESC NULLS LAST, lower(full_name), best.id
    """  # noqa: S608
    return _read(sql, query, now.values, as_of, limit)


def accounts(text: str, as_of: datetime | None, limit: int) -> DataFrame:
    """Find accounts by login or name: one row each, best match first, then tracked ones and most stars now.

    login, name, kind  text, as they were then; name and kind are null where unknown
    """
    query = normalize(text)
    login, name, past = (
        _match(query, column, column, ("{word}%",))
        for column in ("lower(account.login)", "lower(account.name)", "lower(account_version.login)")
    )
    sql = f"""
        WITH {account_attributes(as_of)}, matching AS (
            SELECT id, min(quality) AS quality
              FROM (SELECT id, least({login.quality}, {name.quality}) AS quality
                      FROM account WHERE {login.condition} OR {name.condition}
                     UNION ALL
                    SELECT account_id, {past.quality} FROM account_version WHERE {past.condition}) AS named
             GROUP BY id
        ), best AS MATERIALIZED (
            SELECT id, quality, tracked.stars, tracked.account_id IS NOT NULL AS is_tracked
              FROM matching
              JOIN account USING (id)
              LEFT JOIN tracked_account AS tracked ON tracked.account_id = id
             WHERE coalesce(created_at <= :until, true)
             ORDER BY quality, is_tracked DESC, tracked.stars DESC NULLS LAST, lower(login), id
             LIMIT :limit
        )
        SELECT login, name, kind
          FROM best
          JOIN account_attributes AS account ON account.account_id = best.id
         ORDER BY quality, is_tracked DESC, best.stars DESC NULLS LAST, lower(login), best.id
    """  # noqa: S608
    return _read(sql, query, login.values, as_of, limit)


def languages(text: str, limit: int) -> list[str]:
    """Return primary languages of stored repositories whose name, former name or alias has *text*, best match first."""
    stored = language_counts()["language"].tolist()
    found = [(quality, name) for name in stored if (quality := _language_quality(normalize(text), name)) < OTHER]
    return [name for _, name in sorted(found, key=lambda one: one[0])][:limit]


def _language_quality(query: str, language: str) -> int:
    known = linguist.languages().get(language)
    names = [language, *known.aliases, *known.former_names] if known else [language]
    lowered = [name.lower() for name in names]
    if not query:
        return OTHER
    if query in lowered:
        return EXACT
    if any(name.startswith(query) for name in lowered):
        return BEGINS
    return CONTAINS if len(query) >= MIN_INDEXED_LETTERS and any(query in name for name in lowered) else OTHER


def _repository_match(query: str, table: str) -> _Match:
    full_name = f"lower({table}.full_name)"
    compared = full_name if "/" in query else f"split_part({full_name}, '/', 2)"
    return _match(query, full_name, compared, ("{word}%", "%/{word}%"))


def _match(query: str, column: str, compared: str, short_patterns: tuple[str, ...]) -> _Match:
    """Return SQL that *column* has every word of *query*, and how well *compared* matches `:query`, best is least.

    Words that are too short for the index have to match one of *short_patterns*.
    """
    conditions, values = [], {}
    for number, word in enumerate(query.split()):
        is_short = len(word) < MIN_INDEXED_LETTERS
        alternatives = []
        for variant, pattern in enumerate(short_patterns if is_short else ("%{word}%",)):
            key = f"word_{number}_{variant}"
            values[key] = pattern.replace("{word}", _escape_like(word))
            alternatives.append(f"{column} LIKE lower(:{key})")
        conditions.append(f"({' OR '.join(alternatives)})")
    quality = (
        f"CASE WHEN {compared} = lower(:query) THEN {EXACT} WHEN starts_with({compared}, lower(:query)) THEN {BEGINS}"
        f" WHEN strpos({compared}, lower(:query)) > 0 THEN {CONTAINS} WHEN {compared} IS NOT NULL THEN {OTHER} END"
    )
    return _Match(f"({' AND '.join(conditions) or 'false'})", quality, values)


def _escape_like(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _read(sql: str, query: str, values: dict[str, Any], as_of: datetime | None, limit: int) -> DataFrame:
    until = as_of_or_end_of_today(as_of)
    return read_frame(sql, query=query, until=until, limit=limit, **values, **as_of_values(as_of))
