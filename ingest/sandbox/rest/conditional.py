"""ETags and 304: the same body for the same token need not travel twice."""

from email.utils import parsedate_to_datetime
from hashlib import sha256

from ingest.sandbox.server.messages import ApiRequest, ApiResponse


def apply_conditional(question: ApiRequest, answer: ApiResponse) -> ApiResponse:
    """Give a 200 its ETag, and turn it into 304 when the asker holds the same.

    The tag depends on the token. A 304 carries tag and date but no `Link`; it costs nothing with a token.
    """
    if answer.status != 200 or question.method != "GET":
        return answer
    digest = sha256(answer.body + (question.token or "").encode()).hexdigest()
    answer.headers["etag"] = f'W/"{digest}"'
    if not _is_not_modified(question, answer, digest):
        return answer
    kept = {name: answer.headers[name] for name in ("last-modified",) if name in answer.headers}
    points = 0 if question.owner else 1
    # The recorded 304s carry the strong form of the tag that was sent weak.
    return ApiResponse(304, b"", kept | {"etag": f'"{digest}"'}, content_type="", points=points)


def _is_not_modified(question: ApiRequest, answer: ApiResponse, digest: str) -> bool:
    tags = question.headers.get("if-none-match")
    if tags is not None:
        return tags.strip() == "*" or digest in [_strip_weak_tag(tag) for tag in tags.split(",")]
    since = question.headers.get("if-modified-since")
    changed = answer.headers.get("last-modified")
    if not since or not changed:
        return False
    try:
        return parsedate_to_datetime(changed) <= parsedate_to_datetime(since)
    except (ValueError, TypeError):
        return False


def _strip_weak_tag(tag: str) -> str:
    return tag.strip().removeprefix("W/").strip('"')
