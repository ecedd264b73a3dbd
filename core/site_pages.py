"""The pages of the site: URL path, title, who may read each, and the words that find it."""

from dataclasses import dataclass

from core.auth.identity import Role


@dataclass(frozen=True)
class SitePage:
    """A page. `path` is its URL path, empty for the first page; `words` find it besides its title."""

    path: str
    title: str
    words: str = ""
    role: Role = "analyst"


SITE_PAGES = {
    page.path: page
    for page in (
        SitePage("", "Overview", "home totals freshness milestones"),
        SitePage("account", "Account", "user organization login profile followers"),
        SitePage("repositories", "Repositories", "table filter licences topics"),
        SitePage("repository", "Repository", "stars bursts contributors releases commits traffic"),
        SitePage("compare", "Compare", "comparison differences versus index peers fair rank benchmark"),
        SitePage("languages", "Languages", "rising falling"),
        SitePage("movers", "Movers", "growth gained lost ranking trending"),
        SitePage("changes", "Changes", "ledger renamed transferred archived licence feed atom"),
        SitePage("collections", "Collections", "groups lists named members"),
        SitePage("scene", "Scene", "city globe map 3d"),
        SitePage("alerts", "Alerts", "rules webhooks notifications"),
        SitePage("search", "Search", "find"),
        SitePage("tracking", "Tracking", "cadence requests", "admin"),
        SitePage("ingestion", "Ingestion", "refresh runs rate budget coverage", "admin"),
        SitePage("people", "People", "roles invitations sessions audit trail", "admin"),
        SitePage("system", "System", "servers workers failures settings health", "admin"),
        SitePage("profile", "Profile", "sessions password api keys feed tokens theme quota"),
        SitePage("reset", "New password"),
        SitePage("register", "New account"),
    )
}
# Readable without a session; every other path shows the sign-in form instead.
PUBLIC_PATHS = ("reset", "register")


def find_pages(text: str, *, is_admin: bool) -> list[SitePage]:
    """Return the pages that somebody may read and whose title or words have a word that begins with *text*."""
    query = " ".join(text.lower().split())
    readable = [
        page for page in SITE_PAGES.values() if page.path not in PUBLIC_PATHS and (is_admin or page.role != "admin")
    ]
    by_title = [page for page in readable if query and page.title.lower().startswith(query)]
    by_word = [page for page in readable if query and any(word.startswith(query) for word in page.words.split())]
    return list(dict.fromkeys(by_title + by_word))
