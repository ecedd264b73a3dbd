"""ETags and 304: an unchanged body is not sent to the same token twice."""

from email.utils import parsedate_to_datetime
from hashlib import sha256

from ingest.sandbox.server.messages import ApiRequest, ApiResponse


def apply_conditional(request: ApiRequest, response: ApiResponse) -> ApiResponse:
    """Give a 200 its ETag, and turn it into 304 when the client already has that ETag.

    The tag depends on the token. A 304 carries tag and date but no `Link`; it costs nothing with a token.
    """
    if response.status != 200 or request.method != "GET":
        return response
    digest = sha256(response.body + (request.token or "").encode()).hexdigest()
    response.headers["etag"] = f'W/"{digest}"'
    if not _is_not_modified(request, response, digest):
        return response
    kept = {name: response.headers[name] for name in ("last-modified",) if name in response.headers}
    points = 0 if request.owner else 1
    # The recorded 304s carry the strong form of the tag that was sent weak.
    return ApiResponse(304, b"", kept | {"etag": f'"{digest}"'}, content_type="", points=points)


def _is_not_modified(request: ApiRequest, response: ApiResponse, digest: str) -> bool:
    tags = request.headers.get("if-none-match")
    if tags is not None:
        return tags.strip() == "*" or digest in [_strip_weak_tag(tag) for tag in tags.split(",")]
    since = request.headers.get("if-modified-since")
    changed = response.headers.get("last-modified")
    if not since or not changed:
        return False
    try:
        return parsedate_to_datetime(changed) <= parsedate_to_datetime(since)
    except (ValueError, TypeError):
        return False


def _strip_weak_tag(tag: str) -> str:
    return tag.strip().removeprefix("W/").strip('"')
