"""What is kept under an account's login alone becomes the account's, once GitHub has shown it."""

from collections.abc import Sequence

from sqlalchemy import Connection, text

from ingest.history_import.adopt_repositories import delete_empty_accounts, try_block_imports

SELECT_ACCOUNT_PAIRS = """
    SELECT named.id AS named, real.id AS real
      FROM account AS real
      JOIN account AS named ON lower(named.login) = lower(real.login) AND named.github_id IS NULL
     WHERE real.id = ANY(CAST(:ids AS bigint[])) AND real.github_id IS NOT NULL
"""
# What GitHub showed moves; what is known by name only moves where the account was there on the first imported day.
MOVE_REPOSITORIES = """
    UPDATE repository AS row SET account_id = pair.real
      FROM unnest(CAST(:named AS bigint[]), CAST(:real AS bigint[])) AS pair(named, real)
      JOIN account AS owner ON owner.id = pair.real
     WHERE row.account_id = pair.named
       AND (row.github_id IS NOT NULL OR owner.created_at < interval '1 day' + (
            SELECT min(captured_at) FROM capture WHERE repository_id = row.id))
"""
MOVE_TRACKING = """
    UPDATE tracked_account AS row SET account_id = pair.real
      FROM unnest(CAST(:named AS bigint[]), CAST(:real AS bigint[])) AS pair(named, real)
     WHERE row.account_id = pair.named AND NOT EXISTS (SELECT FROM tracked_account WHERE account_id = pair.real)
"""
DROP_TRACKING = """
    DELETE FROM tracked_account USING unnest(CAST(:named AS bigint[]), CAST(:real AS bigint[])) AS pair(named, real)
     WHERE account_id = pair.named
"""
MOVE_ITEMS = """
    UPDATE ingest_item SET account_id = pair.real
      FROM unnest(CAST(:named AS bigint[]), CAST(:real AS bigint[])) AS pair(named, real)
     WHERE account_id = pair.named
"""
MOVE_MEMBERS = """
    UPDATE collection_member AS row SET account_id = pair.real
      FROM unnest(CAST(:named AS bigint[]), CAST(:real AS bigint[])) AS pair(named, real)
     WHERE row.account_id = pair.named AND NOT EXISTS (
           SELECT FROM collection_member AS held
            WHERE held.collection_id = row.collection_id AND held.account_id = pair.real)
"""


def adopt_accounts(connection: Connection, account_ids: Sequence[int]) -> list[int]:
    """Give these accounts of GitHub's what is kept under their logins alone; tells which had anything.

    Repositories whose imported history is older than the account stay with the name: another account bore it then.
    """
    pairs = connection.execute(text(SELECT_ACCOUNT_PAIRS), {"ids": list(account_ids)}).all()
    if not pairs:
        return []
    values = {"named": [pair.named for pair in pairs], "real": [pair.real for pair in pairs]}
    for statement in (MOVE_TRACKING, DROP_TRACKING, MOVE_ITEMS, MOVE_MEMBERS):
        connection.execute(text(statement), values)
    # An import that is running may be adding repositories to the name: they follow when the account is next seen.
    if try_block_imports(connection):
        connection.execute(text(MOVE_REPOSITORIES), values)
        delete_empty_accounts(connection, values["named"])
    return sorted(set(values["real"]))
