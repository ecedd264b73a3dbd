"""How whoever starts Almanac on their machine gets in."""

from dataclasses import dataclass

from core.settings import Settings

FIRST_ADMIN_HANDLED_VARIABLE = "ALMANAC_FIRST_ADMIN_SEEN_TO"
"""Set for processes whose starter makes the first admin, so that the password is printed in one place."""
RESET_PASSWORD_COMMAND = "python -m core reset-password"  # noqa: S105 - a command


@dataclass(frozen=True)
class SignInHint:
    """Said once Almanac can be opened; `at_once` is said before that, because it is never known again."""

    later: str
    immediate_message: str = ""


def bootstrap_first_admin(database_url: str, wanted: Settings, prefix: str = "") -> SignInHint:
    """Make the first admin if there is nobody yet. Raises BadInput when what is set for them cannot be used.

    *prefix* stands before a command that has to find another database than the settings name.
    """
    name, anybody = _oldest_admin(database_url)
    if anybody:
        return SignInHint(
            f"Sign in as {name}; if the password is lost: {prefix}{RESET_PASSWORD_COMMAND} {name}" if name else ""
        )
    from core.auth.bootstrap_admin import sign_in_message  # noqa: PLC0415 - loads SQLAlchemy, which only a first start waits for

    generated = _create_first_admin(database_url)
    if generated:
        return SignInHint(later="", immediate_message=sign_in_message(generated))
    return SignInHint(f"Sign in as {wanted.admin_username} with your ADMIN_PASSWORD.")


def _oldest_admin(database_url: str) -> tuple[str, bool]:
    import psycopg  # noqa: PLC0415 - loads while the web child does

    url = database_url.replace("postgresql+psycopg://", "postgresql://", 1)
    with psycopg.connect(url, connect_timeout=5) as connection:
        oldest = "SELECT username FROM person WHERE role = 'admin' AND active ORDER BY id LIMIT 1"
        row = connection.execute(oldest).fetchone()
        anybody = connection.execute("SELECT EXISTS (SELECT FROM person)").fetchone()
    return (row[0] if row else ""), bool(anybody and anybody[0])


def _create_first_admin(database_url: str) -> str | None:
    from sqlalchemy import create_engine  # noqa: PLC0415 - see above
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    from core.auth.sign_in import ensure_first_admin  # noqa: PLC0415
    from core.db import override  # noqa: PLC0415
    from core.db.engine import parse_database_url  # noqa: PLC0415

    with override.use_engine(create_engine(parse_database_url(database_url), poolclass=NullPool)):
        return ensure_first_admin()
