"""The tree of errors. Each reads as a sentence for a person and carries what its catcher needs."""


class AlmanacError(Exception):
    """Anything Almanac raises on purpose; `code` is for programs and never changes its meaning."""

    code = "error"


class BadInput(AlmanacError):
    """Somebody gave a value that cannot be used; the sentence says which and why."""

    code = "bad_input"


class NotHere(AlmanacError):
    """What was asked for is not held."""

    code = "not_found"


class ServerUnavailable(AlmanacError):
    """Postgres or Redis does not answer."""

    code = "server_unavailable"
