"""REST bodies as GitHub writes them, field by field and in its order."""

import json
from base64 import b64encode
from typing import Any

from ingest.sandbox.world.accounts import Account
from ingest.sandbox.world.clock import iso_timestamp
from ingest.sandbox.world.repositories import Repository, RepositoryCounts
from ingest.sandbox.world.vocabulary import LICENSES

Body = dict[str, Any]
AVATAR_URL = "https://avatars.githubusercontent.com/u"
SITE_URL = "https://github.com"
OLD_API_VERSION = "2022-11-28"
# URLs of a repository by field: what follows the repository's own URL.
REPOSITORY_URL_PATHS = {
    "forks_url": "/forks",
    "keys_url": "/keys{/key_id}",
    "collaborators_url": "/collaborators{/collaborator}",
    "teams_url": "/teams",
    "hooks_url": "/hooks",
    "issue_events_url": "/issues/events{/number}",
    "events_url": "/events",
    "assignees_url": "/assignees{/user}",
    "branches_url": "/branches{/branch}",
    "tags_url": "/tags",
    "blobs_url": "/git/blobs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "trees_url": "/git/trees{/sha}",
    "statuses_url": "/statuses/{sha}",
    "languages_url": "/languages",
    "stargazers_url": "/stargazers",
    "contributors_url": "/contributors",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "commits_url": "/commits{/sha}",
    "git_commits_url": "/git/commits{/sha}",
    "comments_url": "/comments{/number}",
    "issue_comment_url": "/issues/comments{/number}",
    "contents_url": "/contents/{+path}",
    "compare_url": "/compare/{base}...{head}",
    "merges_url": "/merges",
    "archive_url": "/{archive_format}{/ref}",
    "downloads_url": "/downloads",
    "issues_url": "/issues{/number}",
    "pulls_url": "/pulls{/number}",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "labels_url": "/labels{/name}",
    "releases_url": "/releases{/id}",
    "deployments_url": "/deployments",
}


def encode_json(body: object) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


class BodyBuilder:
    """Writes bodies whose URLs start with *root*, the URL of this API."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._encoded: dict[tuple[int, bool, str], tuple[RepositoryCounts, int, bytes]] = {}

    def simple_account(self, account: Account) -> Body:
        """Write an account in the short form used for owners of repositories."""
        url = f"{self.root}/users/{account.login}"
        return {
            "login": account.login,
            "id": account.id,
            "node_id": account.node_id,
            "avatar_url": f"{AVATAR_URL}/{account.id}?v=4",
            "gravatar_id": "",
            "url": url,
            "html_url": f"{SITE_URL}/{account.login}",
            "followers_url": f"{url}/followers",
            "following_url": f"{url}/following{{/other_user}}",
            "gists_url": f"{url}/gists{{/gist_id}}",
            "starred_url": f"{url}/starred{{/owner}}{{/repo}}",
            "subscriptions_url": f"{url}/subscriptions",
            "organizations_url": f"{url}/orgs",
            "repos_url": f"{url}/repos",
            "events_url": f"{url}/events{{/privacy}}",
            "received_events_url": f"{url}/received_events",
            "type": account.kind,
            "user_view_type": "public",
            "site_admin": False,
        }

    def account(self, account: Account, timestamp: int, public_repos: int) -> Body:
        """Write an account as `/users/{login}` shows it, organizations too."""
        return self.simple_account(account) | {
            "name": account.name,
            "company": account.company,
            "blog": account.blog,
            "location": account.location,
            "email": None,
            "hireable": None,
            "bio": account.bio,
            "twitter_username": None,
            **_account_counts(account, timestamp, public_repos),
            "created_at": iso_timestamp(account.created_at),
            "updated_at": iso_timestamp(account.updated_at(timestamp)),
        }

    def organization(self, account: Account, timestamp: int, public_repos: int) -> Body:
        """Write an organization as `/orgs/{org}` shows it to non-members."""
        url = f"{self.root}/orgs/{account.login}"
        return {
            "login": account.login,
            "id": account.id,
            "node_id": account.node_id,
            "url": url,
            "repos_url": f"{url}/repos",
            "events_url": f"{url}/events",
            "hooks_url": f"{url}/hooks",
            "issues_url": f"{url}/issues",
            "members_url": f"{url}/members{{/member}}",
            "public_members_url": f"{url}/public_members{{/member}}",
            "avatar_url": f"{AVATAR_URL}/{account.id}?v=4",
            "description": account.bio,
            **_organization_profile(account),
            "is_verified": False,
            "has_organization_projects": True,
            "has_repository_projects": True,
            **_account_counts(account, timestamp, public_repos),
            "html_url": f"{SITE_URL}/{account.login}",
            "created_at": iso_timestamp(account.created_at),
            "updated_at": iso_timestamp(account.updated_at(timestamp)),
            "archived_at": None,
            "type": "Organization",
        }

    def listed(self, repository: Repository, counts: RepositoryCounts, *, signed_in: bool, version: str) -> bytes:
        """Write a repository as lists show it, encoded; cached until something changes."""
        key = (repository.id, signed_in, version)
        edits = repository.version + repository.owner.version
        cached = self._encoded.get(key)
        if cached is None or cached[0] is not counts or cached[1] != edits:
            body = encode_json(self.repository(repository, counts, signed_in=signed_in, version=version))
            cached = self._encoded[key] = (counts, edits, body)
        return cached[2]

    def repository(self, repository: Repository, counts: RepositoryCounts, *, signed_in: bool, version: str) -> Body:
        body = (
            self._identity(repository)
            | self._repository_urls(repository)
            | self._repository_details(repository, counts)
        )
        if version != OLD_API_VERSION:
            del body["has_downloads"]
        if signed_in:
            pull_only = {"admin": False, "maintain": False, "push": False, "triage": False, "pull": True}
            body["permissions"] = pull_only
        return body

    def full(self, repository: Repository, timestamp: int, *, signed_in: bool, version: str) -> Body:
        """Write a repository as its own URL shows it, with the fields that lists omit."""
        counts = repository.counts(timestamp)
        body = self.repository(repository, counts, signed_in=signed_in, version=version)
        body["temp_clone_token"] = "" if signed_in else None
        if repository.owner.kind == "Organization":
            body |= {"custom_properties": {}, "organization": self.simple_account(repository.owner)}
        if repository.parent:
            parent = repository.parent
            family = self.repository(parent, parent.counts(timestamp), signed_in=signed_in, version=version)
            family.pop("permissions", None)
            body |= {"parent": family, "source": family}
        return body | {"network_count": counts.forks, "subscribers_count": counts.watchers}

    def license(self, key: str | None) -> Body | None:
        if key is None:
            return None
        name, spdx_id, number = LICENSES[key]
        url = f"{self.root}/licenses/{key}" if key != "other" else None
        return {
            "key": key,
            "name": name,
            "spdx_id": spdx_id,
            "url": url,
            "node_id": b64encode(f"07:License{number}".encode()).decode(),
        }

    def _identity(self, repository: Repository) -> Body:
        return {
            "id": repository.id,
            "node_id": repository.node_id,
            "name": repository.name,
            "full_name": repository.full_name,
            "private": False,
            "owner": self.simple_account(repository.owner),
            "html_url": f"{SITE_URL}/{repository.full_name}",
            "description": repository.description,
            "fork": repository.fork,
        }

    def _repository_urls(self, repository: Repository) -> Body:
        url = f"{self.root}/repos/{repository.full_name}"
        return {"url": url} | {field: url + path for field, path in REPOSITORY_URL_PATHS.items()}

    def _repository_details(self, repository: Repository, counts: RepositoryCounts) -> Body:
        page = f"{SITE_URL}/{repository.full_name}"
        both = counts.open_issues + counts.open_pulls
        return {
            "created_at": iso_timestamp(repository.created_at),
            "updated_at": iso_timestamp(counts.updated_at),
            "pushed_at": iso_timestamp(repository.created_at if counts.pushed_at is None else counts.pushed_at),
            "git_url": f"git://github.com/{repository.full_name}.git",
            "ssh_url": f"git@github.com:{repository.full_name}.git",
            "clone_url": f"{page}.git",
            "svn_url": page,
            "homepage": repository.homepage,
            "size": counts.size_kb,
            "stargazers_count": counts.stars,
            "watchers_count": counts.stars,
            "language": counts.language,
            "has_issues": not repository.fork,
            "has_projects": True,
            "has_downloads": True,
            "has_wiki": True,
            "has_pages": False,
            "has_discussions": False,
            "forks_count": counts.forks,
            "mirror_url": None,
            "archived": counts.archived,
            "disabled": False,
            "open_issues_count": both,
            "license": self.license(repository.license),
            "allow_forking": True,
            "is_template": repository.template,
            "web_commit_signoff_required": False,
            "has_pull_requests": True,
            "pull_request_creation_policy": "all",
            "topics": list(repository.topics),
            "visibility": "public",
            "forks": counts.forks,
            "open_issues": both,
            "watchers": counts.stars,
            "default_branch": repository.default_branch,
        }


def _account_counts(account: Account, timestamp: int, public_repos: int) -> Body:
    return {
        "public_repos": public_repos,
        "public_gists": account.gists,
        "followers": account.followers_at(timestamp),
        "following": account.following,
    }


def _organization_profile(account: Account) -> Body:
    """Write an organization's profile; one that never named itself shows none of it."""
    if account.name is None:
        return {}
    return {
        "name": account.name,
        "company": account.company,
        "blog": account.blog,
        "location": account.location,
        "email": None,
        "twitter_username": None,
    }
