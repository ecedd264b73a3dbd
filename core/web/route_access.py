"""Which door a path leads through: what is open to everybody, what asks who is there, and what asks for a session."""

from enum import Enum, auto

STREAM = "/_stcore/stream"
METRICS = frozenset({"/metrics", "/_stcore/metrics"})
OPEN = frozenset({"/health", "/_stcore/health", "/_stcore/host-config"})
OPEN_UNDER = ("/static/", "/app/static/", "/component/", "/_stcore/bidi-components/", "/auth/")
TOKENS = frozenset(f"/api/v1/auth/{name}" for name in ("register", "login", "refresh", "logout"))
INSIDE = ("/api", "/media", "/_stcore")


class Door(Enum):
    """What a request has to show before it is answered."""

    OPEN = auto()  # nothing, and nobody looks: static files, health, /auth, which checks by itself
    PAGE = auto()  # nothing: Streamlit's empty page, the same for everybody; its cookies are looked after
    TOKENS = auto()  # nothing: programs sign in here; a bearer token is read if there is one
    METRICS = auto()  # to come from this machine, or METRICS_TOKEN
    INSIDE = auto()  # a session or an API key
    NOWHERE = auto()  # nothing helps: no address of ours is written like that


def door(method: str, path: str) -> Door:
    """Where a request goes. A path that is not known is a page for who reads, and inside for everything else."""
    # A router may take `/metrics` with a line break behind it for `/metrics`.
    if not path.isprintable():
        return Door.NOWHERE
    if path in OPEN or path.startswith(OPEN_UNDER):
        return Door.OPEN
    if path in TOKENS:
        return Door.TOKENS
    if path in METRICS:
        return Door.METRICS
    if any(f"{path}/".startswith(f"{folder}/") for folder in INSIDE):
        return Door.INSIDE
    return Door.PAGE if method in {"GET", "HEAD"} else Door.INSIDE
