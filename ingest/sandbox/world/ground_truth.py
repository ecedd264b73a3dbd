"""The sandbox's contents without HTTP, limits or faults, in the form of `ingest show --json`."""

from typing import Any

from ingest.sandbox.world.clock import iso_timestamp
from ingest.sandbox.world.population import World
from ingest.sandbox.world.repositories import Repository
from ingest.sandbox.world.vocabulary import LICENSES


def ground_truth(world: World, login: str) -> dict[str, Any]:
    """Return everything about *login* now. Raises KeyError for an unknown login."""
    with world.lock:
        account, timestamp = world.account(login), world.now()
        if account is None:
            raise KeyError(login)
        repositories = sorted(world.owned(account), key=lambda r: r.full_name.lower())
        stored = {
            "id": account.id,
            "node_id": account.node_id,
            "login": account.login,
            "kind": account.kind.lower(),
            "name": account.name,
            "followers": account.followers_at(timestamp),
            "following": account.following,
            "public_repositories": len(repositories),
            "gists": account.gists,
            "created_at": iso_timestamp(account.created_at),
        }
        return {"account": stored, "repositories": [_repository(r, timestamp) for r in repositories]}


def _repository(repository: Repository, timestamp: int) -> dict[str, Any]:
    counts = repository.counts(timestamp)
    return {
        "id": repository.id,
        "node_id": repository.node_id,
        "name": repository.name,
        "full_name": repository.full_name,
        "description": repository.description,
        "stars": counts.stars,
        "forks": counts.forks,
        "watchers": counts.watchers,
        "open_issues": counts.open_issues,
        "open_change_requests": counts.open_pulls,
        "size_kb": counts.size_kb,
        "primary_language": counts.language,
        "languages": counts.languages,
        "is_fork": repository.fork,
        "is_archived": counts.archived,
        "is_template": repository.template,
        "license": LICENSES[repository.license][1] if repository.license else None,
        "topics": list(repository.topics),
        "default_branch": None if repository.empty else repository.default_branch,
        "pushed_at": None if counts.pushed_at is None else iso_timestamp(counts.pushed_at),
        "created_at": iso_timestamp(repository.created_at),
    }
