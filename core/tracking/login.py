"""Parse logins, names of repositories and URLs of GitHub that people type or paste."""

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from core import github_site
from core.errors import BadInput

# What exists, not what can be registered today: older accounts have hyphens at either end and in a row. Logins of
# Enterprise Managed Users end in _shortcode.
LOGIN_PATTERN = re.compile(r"(?=-*[A-Za-z0-9])[A-Za-z0-9-]+(?:_[A-Za-z0-9]+)?")
MAX_LENGTH = 39
REPOSITORY_PATTERN = re.compile(r"(?!\.\.?$)[\w.-]{1,100}", re.ASCII)
# owner/name, perhaps as package managers write it: with .git, a branch or a version.
FULL_NAME_PATTERN = re.compile(r"(?P<path>[^/\s:@#]+/[^/\s:@#]+?)/?(?:[#@]\S*)?")
SHORTHAND_PREFIX = "github:"
MARKDOWN_LINK_PATTERN = re.compile(r"!?\[[^\]]*\]\(\s*<?([^\s)>]*)>?(?:\s[^)]*)?\)")
SCHEME_PATTERN = re.compile(r"(?:git\+)?(?:https?|ssh|git)://", re.IGNORECASE)
SCP_PATTERN = re.compile(r"(?P<user>[\w.-]+@)?(?P<host>[\w.-]+):(?P<path>[^/\s]\S*)", re.ASCII)
ENCLOSING_PAIRS = ("()", "[]", '""', "''", "``", "“”", "‘’", "«»")
TRAILING_PUNCTUATION = ".,;:!?"
# First path segments of the web site that name an account in the second: /orgs/pallets/repositories.
ACCOUNT_PATHS = frozenset({"orgs", "organizations", "users", "sponsors", "stars"})
# First path segments of the REST API likewise.
API_ACCOUNT_PATHS = frozenset({"users", "orgs"})
# First path segments of the web site that are pages, not accounts.
RESERVED_PATHS = frozenset(
    {
        *("about", "account", "admin", "advisories", "api", "apps", "auth", "billing", "blog", "businesses"),
        *("careers", "case-studies", "changelog", "codespaces", "collections", "contact", "copilot"),
        *("customer-stories", "customers", "dashboard", "developer", "discussions", "downloads", "edu"),
        *("education", "enterprise", "enterprises", "events", "explore", "features", "gist", "gists"),
        *("git-guides", "github-copilot", "guides", "help", "home", "identity", "individual", "integrations"),
        *("issues", "jobs", "join", "learn", "login", "logos", "logout", "maintenance", "marketplace", "mcp"),
        *("mobile", "models", "network", "new", "news", "newsroom", "nonprofit", "notifications", "oauth"),
        *("open-source", "pages", "partner-stories", "partners", "personal", "plans", "premium-support"),
        *("press", "pricing", "projects", "pulls", "raw", "readme", "redeem", "resources", "search"),
        *("security", "services", "session", "sessions", "settings", "showcases", "signin", "signup", "site"),
        *("site-policy", "sitemap", "social-impact", "solutions", "spark", "startups", "status", "support"),
        *("suspended", "team", "teams", "terms", "topic", "topics", "tos", "tour", "trending"),
        *("trust-center", "universe", "watching", "why-github", "wiki"),
    }
)
MAX_QUOTED_LENGTH = 60
USER_INFO_PATTERN = re.compile(r"//[^/@\s]*@")


class BadLogin(BadInput):
    """Text that cannot be a login."""

    code = "bad_login"


@dataclass(frozen=True)
class ParsedName:
    """A login, and the repository of it that the text named."""

    login: str
    repository: str | None = None

    @property
    def full_name(self) -> str | None:
        return f"{self.login}/{self.repository}" if self.repository else None


def parse_login(text: str) -> str:
    """Return the login in *text*; of a repository it is the owner. See `parse_name`. Raises BadLogin."""
    return parse_name(text).login


def parse_repository(text: str) -> str:
    """Return `owner/name` from *text*, see `parse_name`. Raises BadLogin, also where it names no repository."""
    full_name = parse_name(text).full_name
    if full_name is None:
        raise BadLogin(f"{_quote_shortened(text.strip())} names no repository; write it like octocat/hello-world")
    return full_name


def parse_name(text: str) -> ParsedName:
    """Parse what people paste: a login, `owner/name`, a URL of the web site, of the API or of Git, a Markdown link.

    URLs are those of the GitHub that this installation reads. Raises BadLogin with the reason.
    """
    given = text.strip()
    inner = _unwrap(given)
    path = _path_of_url(given, inner)
    if path is not None:
        return _parse_path(given, path)
    plain = inner.removeprefix(SHORTHAND_PREFIX)
    if match := FULL_NAME_PATTERN.fullmatch(plain.removeprefix("@")):
        return _parse_path(given, match["path"])
    return ParsedName(_checked_login(given, plain.removeprefix("@")))


def _unwrap(given: str) -> str:
    """Remove what surrounds a name in prose: a Markdown link, brackets, quotes."""
    if link := MARKDOWN_LINK_PATTERN.fullmatch(given):
        return link[1]
    if given.startswith("<") and given.endswith(">") and "://" in given:
        return given[1:-1].strip()
    if len(given) > 1 and given[0] + given[-1] in ENCLOSING_PAIRS:
        return given[1:-1].strip()
    return given


def _path_of_url(given: str, text: str) -> str | None:
    """Return the path on the web site that the URL *text* means; None when *text* is no URL.

    Raises BadLogin for a URL of another host.
    """
    url = _absolute_url(text)
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
    except ValueError:
        host = ""
    path = _path_on_host(host, unquote(parts.path)) if host else None
    if path is None:
        name = urlsplit(github_site.web_root()).netloc
        raise BadLogin(f"{_quote_shortened(given)} is not a URL of {name}, where accounts are tracked")
    return path.strip("/").rstrip(TRAILING_PUNCTUATION)


def _absolute_url(text: str) -> str | None:
    if SCHEME_PATTERN.match(text):
        return re.sub(r"^git\+", "", text, flags=re.IGNORECASE)
    plain = text.removeprefix("//")
    if (scp := SCP_PATTERN.fullmatch(plain)) and (scp["user"] or scp["host"].lower() in github_site.hosts()):
        return f"ssh://{scp['host']}/{scp['path']}"
    host = re.split(r"[/?#:]", plain, maxsplit=1)[0].lower()
    return f"https://{plain}" if host in github_site.hosts() else None


def _path_on_host(host: str, path: str) -> str | None:
    """Return the path on the web site that *path* on *host* means; None for another host."""
    kind = github_site.hosts().get(host)
    if kind is None:
        return None
    if kind == "api" or path.startswith(f"{github_site.ENTERPRISE_API_PATH}/"):
        first, _, rest = path.removeprefix(github_site.ENTERPRISE_API_PATH).strip("/").partition("/")
        if first == "repos":
            return rest
        # Other paths of the API, such as /rate_limit, name no account.
        return rest.partition("/")[0] if first in API_ACCOUNT_PATHS else "api"
    # A gist is no repository.
    return path.strip("/").partition("/")[0] if host.startswith("gist.") else path


def _parse_path(given: str, path: str) -> ParsedName:
    names = [name for name in path.split("/") if name]
    if len(names) > 1 and names[0].lower() in ACCOUNT_PATHS:
        return ParsedName(_checked_login(given, names[1]))
    if names and names[0].lower() in RESERVED_PATHS | ACCOUNT_PATHS:
        raise BadLogin(f"{_quote_shortened(given)} is a page of GitHub, not an account")
    login = _checked_login(given, names[0] if names else "")
    # A Git URL may end in a branch: name.git@main.
    repository = names[1].partition("@")[0].removesuffix(".git") if len(names) > 1 else None
    if repository is not None and not REPOSITORY_PATTERN.fullmatch(repository):
        raise BadLogin(f"{_quote_shortened(given)} is not the name of a repository, like octocat/hello-world")
    return ParsedName(login, repository)


def _checked_login(given: str, login: str) -> str:
    if not login:
        raise BadLogin("A login is missing; write it like octocat")
    if not LOGIN_PATTERN.fullmatch(login):
        raise BadLogin(f"{_quote_shortened(given)} is not a GitHub login: letters, digits and hyphens, like octocat")
    if len(login) > MAX_LENGTH:
        raise BadLogin(f"{_quote_shortened(given)} is not a GitHub login: those have at most {MAX_LENGTH} characters")
    return login


def _quote_shortened(text: str) -> str:
    text = USER_INFO_PATTERN.sub("//", text)  # may be a password
    return repr(text if len(text) <= MAX_QUOTED_LENGTH else text[:MAX_QUOTED_LENGTH] + "…")
