"""Which door a path leads through: what is open to everybody, what asks who is there, and what asks for a session."""

from enum import Enum, auto

STREAM_PATH = "/_stcore/stream"
METRICS_PATHS = frozenset({"/metrics", "/_stcore/metrics"})
OPEN_PATHS = frozenset({"/health", "/_stcore/health", "/_stcore/host-config"})
OPEN_PREFIXES = ("/static/", "/app/static/", "/component/", "/_stcore/bidi-components/", "/auth/")
TOKEN_PATHS = frozenset(f"/api/v1/auth/{name}" for name in ("register", "login", "refresh", "logout"))
SIGNED_IN_PREFIXES = ("/api", "/media", "/_stcore")


class Access(Enum):
    """What a request has to show before it is answered."""

    OPEN = auto()  # nothing, and nobody looks: static files, health, /auth, which checks by itself
    PAGE = auto()  # nothing: Streamlit's empty page, the same for everybody; its cookies are looked after
    TOKENS = auto()  # nothing: programs sign in here; a bearer token is read if there is one
    METRICS = auto()  # to come from this machine, or METRICS_TOKEN
    SIGNED_IN = auto()  # a session or an API key
    NOT_FOUND = auto()  # nothing helps: no address of ours is written like that


def route_access(method: str, path: str) -> Access:
    """Where a request goes. A path that is not known is a page for who reads, and inside for everything else."""
    # A router may take `/metrics` with a line break behind it for `/metrics`.
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
