"""Parse logins and GitHub URLs that people type."""

import re

from core.errors import BadInput

# Letters, digits and single hyphens between them; logins of Enterprise Managed Users end in _shortcode.
LOGIN_PATTERN = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*(?:_[A-Za-z0-9]+)?")
MAX_LENGTH = 39
GITHUB_URL_PATTERN = re.compile(r"(?:https?://)?(?:www\.)?github\.com(?:/(?P<path>[^?#]*))?(?:[?#].*)?", re.IGNORECASE)
# First path segments of github.com that are pages instead of accounts.
RESERVED_PATHS = frozenset(
    {
        *("about", "account", "apps", "codespaces", "collections", "dashboard", "explore", "features", "issues"),
        *("login", "logout", "marketplace", "new", "notifications", "orgs", "pricing", "pulls", "search", "security"),
        *("sessions", "settings", "signup", "site", "sponsors", "stars", "topics", "trending", "users"),
    }
)
MAX_QUOTED_LENGTH = 60


class BadLogin(BadInput):
    """Text that cannot be a login."""

    code = "bad_login"


def parse_login(text: str) -> str:
    """Return the login in `login`, `@login`, `https://github.com/login` or `github.com/login/repository`.

    Raises BadLogin with the reason.
    """
    given = text.strip()
    url = GITHUB_URL_PATTERN.fullmatch(given)
    login = _login_from_url(given, url["path"] or "") if url else given.removeprefix("@")
    if not login:
        raise BadLogin("A login is missing; write it like octocat")
    if not LOGIN_PATTERN.fullmatch(login):
        raise BadLogin(
            f"{_quote_shortened(given)} is not a GitHub login: letters, digits and single hyphens, like octocat"
        )
    if len(login) > MAX_LENGTH:
        raise BadLogin(f"{_quote_shortened(given)} is not a GitHub login: those have at most {MAX_LENGTH} characters")
    return login


def _login_from_url(given: str, path: str) -> str:
    first, _, rest = path.partition("/")
    if first.lower() == "orgs" and rest.strip("/"):
        return rest.split("/")[0]
    if first.lower() in RESERVED_PATHS:
        raise BadLogin(f"{_quote_shortened(given)} is a page of GitHub, not an account")
    return first


def _quote_shortened(text: str) -> str:
    return repr(text if len(text) <= MAX_QUOTED_LENGTH else text[:MAX_QUOTED_LENGTH] + "…")
