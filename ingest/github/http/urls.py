"""Pure: which addresses are ours to ask, so that a token never goes to another host."""

from urllib.parse import urljoin, urlsplit, urlunsplit

PUBLIC_API_URL = "https://api.github.com"
DEFAULT_PORTS = {"https": 443, "http": 80}
ENTERPRISE_REST_SUFFIX = "/api/v3"


def resolve_api_url(root: str, link: str, asked: str) -> str | None:
    """Turn *link*, found in the answer to *asked*, into an address under *root*; None for another host.

    A proxy or a recording passes on addresses of api.github.com: those are asked at our root.
    """
    target = urljoin(asked, link)
    if _origin(target) == _origin(root):
        return target
    if _origin(target) == _origin(PUBLIC_API_URL):
        parts = urlsplit(target)
        return root + urlunsplit(("", "", parts.path, parts.query, ""))
    return None


def graphql_url(root: str) -> str:
    """GraphQL lies at `{root}/graphql`; for Enterprise Server `…/api/v3` it is `…/api/graphql`."""
    if root.endswith(ENTERPRISE_REST_SUFFIX):
        return root.removesuffix("/v3") + "/graphql"
    return f"{root}/graphql"


def _origin(address: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(address)
    try:
        port = parts.port
    except ValueError:
        return ("", None, None)
    return (parts.scheme, parts.hostname, port or DEFAULT_PORTS.get(parts.scheme))
