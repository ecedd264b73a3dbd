"""Matches the names in a history file with stored repositories."""

from sqlalchemy import Connection, text

from core.db.schema import NAMED_REPOSITORY_ID
from core.errors import BadInput
from ingest.refresh import summaries

# A name matches a repository reported by GitHub only if that existed on the name's first day: names are reused, and
# history must not be assigned to the repository that has the name now. A renamed one gets the history that ends before.
LINK_GITHUB_REPOSITORIES = """
    UPDATE import_name SET repository_id = found.id
      FROM (SELECT DISTINCT ON (number) number, repository.id
              FROM import_name
              JOIN (SELECT number, max(captured_at) AS last_at FROM import_given GROUP BY number) AS given
                   USING (number)
              JOIN (SELECT id, full_name, NULL AS since, 'infinity' AS until FROM repository
                     UNION ALL
                    SELECT repository_id, full_name, since, until FROM repository_version) AS named
                ON lower(named.full_name) = lower(import_name.full_name) AND named.until > last_at
              JOIN repository ON repository.id = named.id
             WHERE github_id IS NOT NULL AND repository.created_at < (first_day + 1)::timestamp AT TIME ZONE 'UTC'
             ORDER BY number, coalesce(named.since < (first_day + 1)::timestamp AT TIME ZONE 'UTC', false) DESC,
                      named.since IS NULL DESC, gone_at IS NOT NULL, repository.created_at DESC) AS found
     WHERE import_name.number = found.number
"""
# As `adopt.KEEP_IMPORTED_ATTRIBUTES` does for names that were imported before GitHub reported them.
KEEP_IMPORTED_ATTRIBUTES = """
    INSERT INTO repository_version (repository_id, until, since, account_id, full_name, description, license,
           primary_language, is_gone)
    SELECT repository.id, first_captured_at, first_day::timestamp AT TIME ZONE 'UTC', account_id,
           import_name.full_name, import_name.description, import_name.license, import_name.language, false
      FROM import_name
      JOIN repository ON repository.id = import_name.repository_id
     WHERE first_day::timestamp AT TIME ZONE 'UTC' < first_captured_at
    ON CONFLICT DO NOTHING
"""
# Citus joins a temporary table with tables on its nodes only through an expression that has read it.
NAMED_CTE = "named AS MATERIALIZED (SELECT * FROM import_name WHERE repository_id IS NULL)"
INSERT_NAMED_ACCOUNTS = f"""
    WITH {NAMED_CTE}
    INSERT INTO account (login)
    SELECT DISTINCT ON (lower(split_part(full_name, '/', 1))) split_part(full_name, '/', 1)
      FROM named
     WHERE NOT EXISTS (
           SELECT FROM account
            WHERE lower(login) = lower(split_part(full_name, '/', 1))
              AND (github_id IS NULL OR account.created_at < (first_day + 1)::timestamp AT TIME ZONE 'UTC'))
     ORDER BY lower(split_part(full_name, '/', 1)), number
    ON CONFLICT (lower(login)) WHERE github_id IS NULL DO NOTHING
"""  # noqa: S608 - our own names
UPSERT_NAMED_REPOSITORIES = f"""
    WITH {NAMED_CTE}
    INSERT INTO repository (id, account_id, full_name, primary_language, license, description, created_at)
    SELECT {NAMED_REPOSITORY_ID.format(name="full_name")}, owner.id, full_name, language, license, description,
           created_at
      FROM named
      JOIN LATERAL (
           SELECT id FROM account
            WHERE lower(login) = lower(split_part(full_name, '/', 1))
              AND (github_id IS NULL OR account.created_at < (first_day + 1)::timestamp AT TIME ZONE 'UTC')
            ORDER BY github_id IS NULL, gone_at IS NOT NULL, account.created_at DESC LIMIT 1) AS owner ON true
     ORDER BY number
    ON CONFLICT (id) DO UPDATE
       SET full_name = excluded.full_name,
           primary_language = coalesce(excluded.primary_language, repository.primary_language),
           license = coalesce(excluded.license, repository.license),
           description = coalesce(excluded.description, repository.description),
           created_at = coalesce(excluded.created_at, repository.created_at)
     WHERE lower(repository.full_name) = lower(excluded.full_name)
       AND ROW(excluded.full_name, coalesce(excluded.primary_language, repository.primary_language),
               coalesce(excluded.license, repository.license),
               coalesce(excluded.description, repository.description),
               coalesce(excluded.created_at, repository.created_at))
           IS DISTINCT FROM ROW(repository.full_name, repository.primary_language, repository.license,
               repository.description, repository.created_at)
    RETURNING id
"""  # noqa: S608 - our own names
LINK_NAMED_REPOSITORIES = f"""
    UPDATE import_name SET repository_id = repository.id
      FROM repository
     WHERE import_name.repository_id IS NULL
       AND repository.id = {NAMED_REPOSITORY_ID.format(name="import_name.full_name")}
       AND lower(repository.full_name) = lower(import_name.full_name)
"""  # noqa: S608 - our own names
# Two names with the same id would be one repository: one in 10 million at a million names.
SELECT_UNMATCHED = "SELECT full_name FROM import_name WHERE repository_id IS NULL ORDER BY full_name LIMIT 1"

# A name that is stored already may have got other attributes.
SELECT_OUTDATED_SUMMARIES = """
    WITH named AS MATERIALIZED (SELECT repository_id FROM import_name)
    SELECT repository_id
      FROM named
      JOIN repository ON repository.id = repository_id
      JOIN repository_summary AS summary USING (repository_id)
     WHERE ROW(summary.full_name, summary.description, summary.license, summary.language, summary.created_at)
           IS DISTINCT FROM ROW(repository.full_name, repository.description, repository.license,
               present_language(repository.primary_language), repository.created_at)
"""


def match_repositories(connection: Connection) -> int:
    """Set the repository of every name in `import_name`; returns how many were added or updated."""
    connection.execute(text(LINK_GITHUB_REPOSITORIES))
    connection.execute(text(KEEP_IMPORTED_ATTRIBUTES))
    connection.execute(text(INSERT_NAMED_ACCOUNTS))
    # Counted by RETURNING: the row count of Citus includes rows that the condition left unchanged.
    changed = len(connection.scalars(text(UPSERT_NAMED_REPOSITORIES)).all())
    connection.execute(text(LINK_NAMED_REPOSITORIES))
    if unmatched := connection.scalar(text(SELECT_UNMATCHED)):
        raise BadInput(f"{unmatched} has the same key as another imported name; leave it out of the file")
    summaries.update_summaries(connection, repository_ids=connection.scalars(text(SELECT_OUTDATED_SUMMARIES)).all())
    return changed
