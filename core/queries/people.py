"""People, invitations, sessions and API keys, for admins. Never cached."""

from dataclasses import dataclass
from datetime import datetime

from pandas import DataFrame

from core.db.frames import read_frame, single_record

MAX_ROWS = 1_000


def list_people(now: datetime, *, search: str = "", role: str = "", active: bool | None = None) -> DataFrame:
    """List people by name, at most MAX_ROWS, whose name or e-mail contains *search*.

    id             int, our own: for queries, never shown
    username, email, display_name, role   text; e-mail and display name are null without one
    active         whether the person may sign in
    created_at, last_seen_at              timestamps; null before the first sign-in
    sessions       int, not expired
    api_keys       int, valid
    """
    sql = """
        SELECT id, username, email, display_name, role, active, created_at, last_seen_at,
               (SELECT count(*) FROM session WHERE person_id = person.id
                   AND revoked_at IS NULL AND expires_at > :now) AS sessions,
               (SELECT count(*) FROM api_key WHERE person_id = person.id
                   AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now)) AS api_keys
          FROM person
         WHERE (strpos(lower(username), lower(:search)) > 0 OR strpos(lower(email), lower(:search)) > 0
                OR strpos(lower(display_name), lower(:search)) > 0)
           AND (:role = '' OR role = :role)
           AND (CAST(:active AS boolean) IS NULL OR active = :active)
         ORDER BY lower(username)
         LIMIT :limit
    """
    return read_frame(sql, fresh=True, now=now, search=search.strip(), role=role, active=active, limit=MAX_ROWS)


@dataclass(frozen=True)
class PeopleCounts:
    """How many people there are: admins are active ones, sessions and invitations not expired ones."""

    people: int
    admins: int
    inactive: int
    sessions: int
    invitations: int


def people_counts(now: datetime) -> PeopleCounts:
    sql = """
        SELECT count(*) AS people,
               count(*) FILTER (WHERE role = 'admin' AND active) AS admins,
               count(*) FILTER (WHERE NOT active) AS inactive,
               (SELECT count(*) FROM session WHERE revoked_at IS NULL AND expires_at > :now) AS sessions,
               (SELECT count(*) FROM ticket WHERE purpose = 'invite' AND expires_at > :now) AS invitations
          FROM person
    """
    return single_record(read_frame(sql, fresh=True, now=now), PeopleCounts)


def invitations(now: datetime) -> DataFrame:
    """List invitations that can still be used, the first to expire first. The link itself is not stored.

    id           text, for revoking the invitation, never shown
    role, email  what it grants, and to whom; e-mail is null when anyone with the link may use it
    invited_by   name of the admin; null when made on the command line
    ends_at      timestamp
    """
    sql = """
        SELECT encode(hash, 'hex') AS id, details ->> 'role' AS role, details ->> 'email' AS email,
               person.username AS invited_by, expires_at AS ends_at
          FROM ticket LEFT JOIN person ON person.id = CAST(details ->> 'by' AS bigint)
         WHERE purpose = 'invite' AND expires_at > :now
         ORDER BY expires_at, hash
         LIMIT 200
    """
    return read_frame(sql, fresh=True, now=now)


def sessions(person_id: int, now: datetime) -> DataFrame:
    """List a person's open sessions, most recently used first: IP address, user agent and timestamps (UTC)."""
    sql = """
        SELECT host(ip_address) AS ip_address, user_agent AS device, created_at AS since, last_seen_at,
               expires_at AS ends_at
          FROM session
         WHERE person_id = :person AND revoked_at IS NULL AND expires_at > :now
         ORDER BY last_seen_at DESC
         LIMIT 200
    """
    return read_frame(sql, fresh=True, person=person_id, now=now)


def api_keys(person_id: int, now: datetime) -> DataFrame:
    """List a person's API keys, newest first, without the keys.

    name, hint     text; the hint is the end of the key
    state          valid, expired, revoked
    created_at, last_used_at, expires_at   timestamps; null: never used, never expires
    """
    sql = """
        SELECT name, hint,
               CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at <= :now THEN 'expired'
                    ELSE 'valid' END AS state,
               created_at, last_used_at, expires_at
          FROM api_key
         WHERE person_id = :person
         ORDER BY created_at DESC, id DESC
         LIMIT 200
    """
    return read_frame(sql, fresh=True, person=person_id, now=now)
