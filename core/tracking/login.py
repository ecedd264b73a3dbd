"""Pure: what somebody typed, read as a login."""

import re

from core.errors import BadInput

# Letters and digits with single hyphens between; managed users of an enterprise end in _shortcode.
LOGIN = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*(?:_[A-Za-z0-9]+)?")
LONGEST = 39
ADDRESS = re.compile(r"(?:https?://)?(?:www\.)?github\.com(?:/(?P<path>[^?#]*))?(?:[?#].*)?", re.IGNORECASE)
# First parts of github.com addresses that are pages, not accounts.
PAGES = frozenset(
    {
        *("about", "account", "apps", "codespaces", "collections", "dashboard", "explore", "features", "issues"),
        *("login", "logout", "marketplace", "new", "notifications", "orgs", "pricing", "pulls", "search", "security"),
        *("sessions", "settings", "signup", "site", "sponsors", "stars", "topics", "trending", "users"),
    }
)
SHOWN = 60


class BadLogin(BadInput):
    """What somebody typed cannot be a login."""

    code = "bad_login"


def parse_login(text: str) -> str:
    """Read `login`, `@login`, `https://github.com/login` or `github.com/login/repository` as a login.

    Raises BadLogin with a sentence that says why not.
    """
    given = text.strip()
    address = ADDRESS.fullmatch(given)
    login = _from_address(given, address["path"] or "") if address else given.removeprefix("@")
    if not login:
        raise BadLogin("A login is missing; write it like octocat")
    if not LOGIN.fullmatch(login):
        raise BadLogin(
            f"{_short(given)} is no GitHub login; those have letters, digits and single hyphens, such as octocat"
        )
    if len(login) > LONGEST:
        raise BadLogin(f"{_short(given)} is no GitHub login; those have at most {LONGEST} characters")
    return login


def _from_address(given: str, path: str) -> str:
    first, _, rest = path.partition("/")
    if first.lower() == "orgs" and rest.strip("/"):
        return rest.split("/")[0]
    if first.lower() in PAGES:
        raise BadLogin(f"{_short(given)} is a page of GitHub, not an account")
    return first


def _short(text: str) -> str:
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "…")
