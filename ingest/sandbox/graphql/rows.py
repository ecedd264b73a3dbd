"""The scalars of accounts and repositories under GraphQL's names."""

from typing import Any

from ingest.sandbox.rest.bodies import AVATAR_URL, SITE_URL
from ingest.sandbox.world.accounts import Account
from ingest.sandbox.world.clock import iso_timestamp
from ingest.sandbox.world.repositories import Repository, RepositoryCounts

Row = dict[str, Any]


def account_row(account: Account, timestamp: int) -> Row:
    """Write the scalars of a user or an organization; each type has only its own."""
    return {
        "__typename": account.kind,
        "id": account.node_id,
        "databaseId": account.id,
        "login": account.login,
        "name": account.name,
        "avatarUrl": f"{AVATAR_URL}/{account.id}?v=4",
        "bio": account.bio,
        "description": account.bio,
        "company": account.company,
        "email": "" if account.kind == "User" else None,
        "location": account.location,
        "websiteUrl": account.blog or None,
        "twitterUsername": None,
        "createdAt": iso_timestamp(account.created_at),
        "updatedAt": iso_timestamp(account.updated_at(timestamp)),
        "archivedAt": None,
        "isHireable": False,
        "isSiteAdmin": False,
        "isViewer": False,
        "isVerified": False,
        "resourcePath": f"/{account.login}",
        "url": f"{SITE_URL}/{account.login}",
    }


def repository_row(repository: Repository, counts: RepositoryCounts) -> Row:
    return {
        "__typename": "Repository",
        "id": repository.node_id,
        "databaseId": repository.id,
        "name": repository.name,
        "nameWithOwner": repository.full_name,
        "description": repository.description,
        "homepageUrl": repository.homepage,
        "url": f"{SITE_URL}/{repository.full_name}",
        "resourcePath": f"/{repository.full_name}",
        "stargazerCount": counts.stars,
        "viewerHasStarred": False,
        "forkCount": counts.forks,
        "diskUsage": counts.size_kb,
        "isFork": repository.fork,
        "isArchived": counts.archived,
        "isTemplate": repository.template,
        "isPrivate": False,
        "isEmpty": repository.empty,
        "isDisabled": False,
        "isLocked": False,
        "isMirror": False,
        "isInOrganization": repository.owner.kind == "Organization",
        "hasIssuesEnabled": not repository.fork,
        "visibility": "PUBLIC",
        "createdAt": iso_timestamp(repository.created_at),
        "pushedAt": None if counts.pushed_at is None else iso_timestamp(counts.pushed_at),
        "updatedAt": iso_timestamp(counts.updated_at),
        "archivedAt": iso_timestamp(repository.archived_at) if counts.archived else None,
    }
