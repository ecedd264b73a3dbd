"""URLs that may be requested: a token must never be sent to another host. No I/O."""

from urllib.parse import urljoin, urlsplit, urlunsplit

PUBLIC_API_URL = "https://api.github.com"
DEFAULT_PORTS = {"https": 443, "http": 80}
ENTERPRISE_REST_SUFFIX = "/api/v3"


def resolve_api_url(root: str, link: str, requested_url: str) -> str | None:
    """Resolve *link*, found in the response to *requested_url*, to a URL below *root*; None for another host.

    A proxy or a recording passes on URLs of api.github.com: those are requested at *root*.
    """
    try:
        target = urljoin(requested_url, link)
    except ValueError:  # brackets that hold no IPv6 address
        return None
    if _origin(target) == _origin(root):
        return target
    if _origin(target) == _origin(PUBLIC_API_URL):
        parts = urlsplit(target)
        return root + urlunsplit(("", "", parts.path, parts.query, ""))
    return None


def graphql_url(root: str) -> str:
    """Return the GraphQL URL: `{root}/graphql`, on Enterprise Server `…/api/graphql` beside `…/api/v3`.

    Source: https://docs.github.com/en/enterprise-server@latest/graphql/guides/forming-calls-with-graphql
    """
    if root.endswith(ENTERPRISE_REST_SUFFIX):
        return root.removesuffix("/v3") + "/graphql"
    return f"{root}/graphql"


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        return ("", None, None)
    return (parts.scheme, parts.hostname, port or DEFAULT_PORTS.get(parts.scheme))
