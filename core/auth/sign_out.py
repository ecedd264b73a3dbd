"""Sign another person out: an admin ends all their sessions; they may sign in again."""

import structlog

from core.auth import audit, people, sessions
from core.auth.identity import Origin
from core.auth.people import Actor
from core.db.engine import transaction

log = structlog.get_logger()


def end_sessions(actor: Actor, person_id: int, origin: Origin) -> int:
    """End all sessions of a person on behalf of *actor*; return their number. Raises Forbidden, NotFound."""
    with transaction() as connection:
        name, actor_id = people.require_admin_actor(connection, actor)
        person = people.fetch_person(connection, person_id)
        ended = sessions.revoke_all_in_transaction(connection, person_id, "ended_by_admin")
        if ended:
            details = {"reason": "ended_by_admin", "sessions": len(ended)}
            audit.record(
                connection,
                "session_ended",
                actor=name,
                person_id=actor_id,
                target=person.username,
                origin=origin,
                **details,
            )
    sessions.invalidate_cached(ended)
    log.info("sessions revoked by admin", person_id=person_id, sessions=len(ended))
    return len(ended)
