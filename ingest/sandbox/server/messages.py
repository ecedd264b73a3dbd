"""One request and one response, and GitHub's error messages. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ingest.sandbox.rest.bodies import Body, encode_json

DOCS = "https://docs.github.com/rest"
JSON_CONTENT_TYPE = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request; *owner* is the token's owner, None without a token."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    token: str | None = None
    owner: str | None = None
    body: bytes = b""
    client: str = "127.0.0.1"


@dataclass(slots=True)
class ApiResponse:
    """A response; *points* is what the limits charge for it, and `hang_up` closes
    the connection before the body is complete."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = JSON_CONTENT_TYPE
    points: int = 1
    nodes: int = 0
    hang_up: bool = False

    @classmethod
    def of(cls, status: int, body: object, **headers: str) -> "ApiResponse":
        return cls(status, encode_json(body), {name.replace("_", "-"): value for name, value in headers.items()})


def error_response(status: int, message: str, docs: str = DOCS, **more: object) -> ApiResponse:
    """Write an error as GitHub does since 2024: message, documentation_url and the status as text."""
    body: Body = {"message": message, **more, "documentation_url": docs, "status": str(status)}
    return ApiResponse.of(status, body)


def not_found(docs: str = DOCS) -> ApiResponse:
    return error_response(404, "Not Found", docs)


def bad_credentials(docs: str = DOCS) -> ApiResponse:
    return error_response(401, "Bad credentials", docs)


def authentication_required() -> ApiResponse:
    """Refuse a query without a token: GraphQL requires one."""
    docs = "https://docs.github.com/graphql/guides/forming-calls-with-graphql#authenticating-with-graphql"
    return error_response(401, "This endpoint requires you to be authenticated.", docs)


def moved_permanently(url: str) -> ApiResponse:
    body = {
        "message": "Moved Permanently",
        "url": url,
        "documentation_url": "https://docs.github.com/v3/#http-redirects",
    }
    return ApiResponse.of(301, body, location=url)


def blocked_response(status: int, reason: str, created_at: str, html_url: str) -> ApiResponse:
    """Refuse a repository that was taken down: 451 for `dmca`, 403 for `tos`."""
    block = {"reason": reason, "created_at": created_at, "html_url": html_url}
    return ApiResponse.of(status, {"message": "Repository access blocked", "block": block})


def user_agent_required() -> ApiResponse:
    text = (
        "Request forbidden by administrative rules. Please make sure your request has a User-Agent header "
        "(https://docs.github.com/en/rest/overview/resources-in-the-rest-api#user-agent-required). "
        "Check https://developer.github.com for other possible causes.\n"
    )
    return ApiResponse(403, text.encode(), content_type="text/html; charset=utf-8", points=0)


def unknown_version(version: str) -> ApiResponse:
    message = f"The version specified in the X-GitHub-Api-Version header is not supported: {version}"
    return error_response(400, message, "https://docs.github.com/rest/about-the-rest-api/api-versions")
