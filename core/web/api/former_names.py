"""Former names: reads of a renamed account or repository are redirected to its present name, as GitHub does."""

from datetime import datetime

from fastapi import Request
from starlette.responses import Response

from core.errors import AlmanacError, BadInput, NotFound
from core.queries import accounts, repository_detail
from core.queries.accounts import FoundAccount
from core.queries.repository_detail import FoundRepository
from core.tracking.login import parse_login
from core.web.middleware.error_responses import as_sentence, error_response

MAX_FULL_NAME_LENGTH = 140


class Moved(AlmanacError):
    """The path names an account or repository by a former name; *names* are those that follow *collection* now."""

    code = "moved"

    def __init__(self, message: str, collection: str, *names: str) -> None:
        self.collection = collection
        self.names = names
        super().__init__(message)


class NotCreatedYet(NotFound):
    """The account or repository is younger than `as_of`."""

    code = "not_created_yet"

    def __init__(self, name: str, created_at: datetime | None = None) -> None:
        since = f": it was created on {created_at:%Y-%m-%d}" if created_at else ""
        super().__init__(f"{name} did not exist yet{since}")


def find_account(login: str, as_of: datetime | None, collection: str) -> FoundAccount | None:
    """Find the account of a path's login. Raises BadLogin, Moved for a former login, and NotCreatedYet."""
    found = accounts.find(parse_login(login), as_of)
    if found is None:
        return None
    if found.is_former:
        raise Moved(f"{parse_login(login)} is now called {found.current_login}", collection, found.current_login)
    _check_created(found.login, found.created_at, as_of)
    return found


def find_repository(owner: str, name: str, as_of: datetime | None) -> FoundRepository:
    """Find the repository of a path. Raises BadInput for an impossible name, Moved for a former one, and NotFound."""
    full_name = f"{owner}/{name}"
    if len(full_name) > MAX_FULL_NAME_LENGTH or not full_name.isprintable():
        raise BadInput("Not a repository name; write owner/name like octocat/hello-world")
    found = repository_detail.find(owner, name, as_of)
    if found is None:
        raise NotFound(f"No data is stored about {full_name}")
    if found.is_former:
        message = f"{full_name} is now called {found.current_full_name}"
        raise Moved(message, "repositories", *found.current_full_name.split("/", 1))
    _check_created(found.full_name, found.created_at, as_of)
    return found


def _check_created(name: str, created_at: datetime | None, as_of: datetime | None) -> None:
    if as_of is not None and created_at is not None and created_at > as_of:
        raise NotCreatedYet(name, created_at)


async def moved_response(request: Request, error: Exception) -> Response:
    """Return 301 with the same path and query under the present name; never cached, as a name can be given again."""
    assert isinstance(error, Moved)
    before, _, after = request.url.path.partition(f"/{error.collection}/")
    path = "/".join([before, error.collection, *error.names, *after.split("/")[len(error.names) :]])
    location = f"{path}?{request.url.query}" if request.url.query else path
    headers = {"location": location, "cache-control": "no-store"}
    return error_response(301, error.code, as_sentence(error), headers)
