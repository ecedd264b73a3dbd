"""The web site of the GitHub that this installation reads: its host names and the URLs of its pages."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal
from urllib.parse import quote, urlsplit

from core.settings import settings

GITHUB_COM = "https://github.com"
ENTERPRISE_API_PATH = "/api/v3"


def web_root_of(api_url: str) -> str:
    """Return the root of the web pages that belong to the REST root *api_url*.

    An API that is none of GitHub's own (a test double, a proxy) stands for github.com.
    Source: https://docs.github.com/en/rest/using-the-rest-api/getting-started-with-the-rest-api
    """
    parts = urlsplit(api_url)
    host = parts.hostname or ""
    if parts.path.rstrip("/").endswith(ENTERPRISE_API_PATH):
        return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix(ENTERPRISE_API_PATH)}"
    if host.startswith("api.") and host.endswith(".ghe.com"):
        return f"{parts.scheme}://{host.removeprefix('api.')}"
    return GITHUB_COM


def web_root() -> str:
    """Return the root of this installation's GitHub: https://github.com, or the Enterprise Server of GITHUB_API_URL."""
    return _cached_web_root(settings().github_api_url)


@lru_cache(maxsize=8)
def _cached_web_root(api_url: str) -> str:
    return web_root_of(api_url)


def hosts() -> Mapping[str, Literal["web", "api"]]:
    """Return the hosts whose URLs name accounts and repositories, and what their paths are like."""
    return _hosts_of(settings().github_api_url)


@lru_cache(maxsize=8)
def _hosts_of(api_url: str) -> Mapping[str, Literal["web", "api"]]:
    host = urlsplit(web_root_of(api_url)).hostname or ""
    found: dict[str, Literal["web", "api"]] = dict.fromkeys((host, f"www.{host}", f"ssh.{host}"), "web")
    found |= {f"gist.{host}": "web", f"raw.{host}": "web", f"codeload.{host}": "web", f"api.{host}": "api"}
    if web_root_of(api_url) == GITHUB_COM:
        found["raw.githubusercontent.com"] = "web"
        found[urlsplit(api_url).hostname or ""] = "api"
    return found


def page_url(*names: str) -> str:
    """Return the URL of an account's or a repository's page."""
    return "/".join([web_root(), *(quote(name, safe="/") for name in names)])
