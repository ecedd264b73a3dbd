"""Search by name: accounts, repositories and languages, those that match best first.

A query matches a name that has all its words, in any case and order. A word of one or two letters has to begin the
login or the repository's name: the trigram indexes serve no shorter one. Former names count too.
"""

from datetime import datetime
from typing import Any

from pandas import DataFrame

from core import linguist
from core.db.frames import read_frame
from core.queries.as_of import as_of_or_end_of_today
from core.queries.attributes import account_attributes, as_of_values, repository_attributes
from core.queries.repository_list import language_counts
from core.tracking.login import BadLogin, parse_name

MIN_INDEXED_LETTERS = 3
EXACT, BEGINS, CONTAINS, OTHER = range(4)


def normalize(text: str) -> str:
    """Return *text* in lower case with single spaces; of a URL of GitHub what it names."""
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
    conditions, values = _conditions(query, "lower({table}.full_name)", ("{word}%", "%/{word}%"))
    target = "lower({table}.full_name)" if "/" in query else "split_part(lower({table}.full_name), '/', 2)"
    sql = f"""
        WITH {repository_attributes(as_of)}, matching AS (
            SELECT id, min(quality) AS quality
              FROM (SELECT id, {_quality(target, "repository")} AS quality
                      FROM repository WHERE {conditions.format(table="repository")}
                     UNION ALL
                    SELECT repository_id, {_quality(target, "repository_version")}
                      FROM repository_version WHERE {conditions.format(table="repository_version")}) AS named
             GROUP BY id
        ), best AS MATERIALIZED (
            SELECT id, quality, latest.stars
              FROM matching
              JOIN repository USING (id)
              JOIN repository_latest AS latest ON latest.repository_id = id
             WHERE coalesce(created_at <= :until, true)
             ORDER BY quality, gone_at IS NOT NULL, latest.stars DESC NULLS LAST, lower(full_name), id
             LIMIT :limit
        )
        SELECT full_name, description, present_language(primary_language) AS language, is_gone
          FROM best
          JOIN attributes ON attributes.repository_id = best.id
         ORDER BY quality, is_gone, best.stars DESC NULLS LAST, lower(full_name), best.id
    """  # noqa: S608
    return _read(sql, query, values, as_of, limit)


def accounts(text: str, as_of: datetime | None, limit: int) -> DataFrame:
    """Find accounts by login or name: one row each, best match first, then tracked ones and most stars now.

    login, name, kind  text, as they were then; name and kind are null where unknown
    """
    query = normalize(text)
    by_login, values = _conditions(query, "lower({table}.login)", ("{word}%",))
    by_name, _ = _conditions(query, "lower({table}.name)", ("{word}%",))
    quality = f"least({_quality('lower({table}.login)', '{table}')}, {_quality('lower({table}.name)', '{table}')})"
    sql = f"""
        WITH {account_attributes(as_of)}, matching AS (
            SELECT id, min(quality) AS quality
              FROM (SELECT id, {quality.format(table="account")} AS quality
                      FROM account WHERE {by_login.format(table="account")} OR {by_name.format(table="account")}
                     UNION ALL
                    SELECT account_id, {quality.format(table="account_version")}
                      FROM account_version
                     WHERE {by_login.format(table="account_version")}) AS named
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
    return _read(sql, query, values, as_of, limit)


def languages(text: str, limit: int) -> list[str]:
    """Return primary languages of stored repositories whose name, former name or alias has *text*, best match first."""
    stored = language_counts()["language"].tolist()
    found = [(quality, name) for name in stored if (quality := _language_quality(normalize(text), name)) < OTHER]
    return [name for _, name in sorted(found, key=lambda one: one[0])][:limit]


def _language_quality(query: str, language: str) -> int:
    known = linguist.languages().get(language)
    names = [language, *known.aliases, *known.former_names] if known else [language]
    lowered = [name.lower() for name in names]
    if not query or query in lowered:
        return EXACT if query else OTHER
    if any(name.startswith(query) for name in lowered):
        return BEGINS
    return CONTAINS if len(query) >= MIN_INDEXED_LETTERS and any(query in name for name in lowered) else OTHER


def _quality(expression: str, table: str) -> str:
    """Return SQL for how well *expression* matches `:query`: the least is the best; null where there is no name."""
    name = expression.replace("{table}", table)
    return (
        f"CASE WHEN {name} = lower(:query) THEN {EXACT} WHEN starts_with({name}, lower(:query)) THEN {BEGINS}"
        f" WHEN strpos({name}, lower(:query)) > 0 THEN {CONTAINS} WHEN {name} IS NOT NULL THEN {OTHER} END"
    )


def _conditions(query: str, expression: str, short_patterns: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
    """Return SQL that *expression* has every word of *query*, and the patterns to bind.

    Words that are too short for the index have to match one of *short_patterns*.
    """
    conditions, values = [], {}
    for number, word in enumerate(query.split()):
        is_short = len(word) < MIN_INDEXED_LETTERS
        alternatives = []
        for variant, pattern in enumerate(short_patterns if is_short else ("%{word}%",)):
            key = f"word_{number}_{variant}"
            values[key] = pattern.replace("{word}", _escape_like(word))
            alternatives.append(f"{expression} LIKE lower(:{key})")
        conditions.append(f"({' OR '.join(alternatives)})")
    return f"({' AND '.join(conditions) or 'false'})", values


def _escape_like(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _read(sql: str, query: str, values: dict[str, Any], as_of: datetime | None, limit: int) -> DataFrame:
    until = as_of_or_end_of_today(as_of)
    return read_frame(sql, query=query, until=until, limit=limit, **values, **as_of_values(as_of))
