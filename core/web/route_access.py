"""Access rules by path: what is public, and what needs a session, a token or a local client."""

from enum import Enum, auto

STREAM_PATH = "/_stcore/stream"
METRICS_PATHS = frozenset({"/metrics", "/_stcore/metrics"})
OPEN_PATHS = frozenset({"/health", "/health/web", "/_stcore/health", "/_stcore/host-config"})
OPEN_PREFIXES = ("/static/", "/app/static/", "/component/", "/_stcore/bidi-components/", "/auth/")
TOKEN_PATHS = frozenset(f"/api/v1/auth/{name}" for name in ("register", "login", "refresh", "logout"))
FEED_PATH = "/api/v1/changes.atom"
"""Read by programs that send no headers of their own: here a feed token in the URL authenticates too."""
FEED_TOKEN_PARAM = "token"  # noqa: S105 - the parameter's name
SIGNED_IN_PREFIXES = ("/api", "/media", "/_stcore")


class Access(Enum):
    """The credentials that a request needs."""

    OPEN = auto()  # nothing: static files, health, and /auth, which checks by itself
    PAGE = auto()  # nothing: Streamlit's empty page; the session in its cookies is refreshed
    TOKENS = auto()  # nothing: programs sign in here; a bearer token is read if sent
    METRICS = auto()  # a client on this machine, or METRICS_TOKEN
    SIGNED_IN = auto()  # a session or an API key
    NOT_FOUND = auto()  # path has unprintable characters: always 404


def route_access(method: str, path: str) -> Access:
    """Return the access rule of a request. An unknown path is a page for GET and HEAD, else it needs a session."""
    # A router may match `/metrics` followed by a line break as `/metrics`.
    if not path.isprintable():
        return Access.NOT_FOUND
    if path in OPEN_PATHS or path.startswith(OPEN_PREFIXES):
        return Access.OPEN
    if path in TOKEN_PATHS:
        return Access.TOKENS
    if path in METRICS_PATHS:
        return Access.METRICS
    if any(f"{path}/".startswith(f"{folder}/") for folder in SIGNED_IN_PREFIXES):
        return Access.SIGNED_IN
    return Access.PAGE if method in {"GET", "HEAD"} else Access.SIGNED_IN
